"""Trims a policy to its robot: a few named, bounded, physical numbers of its contract change."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from edge_runtime.errors import UserError, suggestion
from edge_runtime.policy.contract import POSITION, Actuator, Contract

GAINS, OFFSET, SCALE = "gains", "offset", "scale"
MOST = 10  # numbers of a policy that are trimmed at once


@dataclass(frozen=True)
class Trim:
    """Describes a number of a contract that may be trimmed.

    Its name is the actuator's and what it changes: "left_knee.gains".
    """

    actuator: str
    kind: str
    neutral: float
    lower: float
    upper: float
    unit: str

    @property
    def name(self) -> str:
        """Returns the trim's name."""
        return f"{self.actuator}.{self.kind}"

    def share(self, value: float) -> float:
        """Returns how much of the way from neutral to its bound a value is, from 0 to 1."""
        bound = self.upper if value > self.neutral else self.lower
        return (value - self.neutral) / (bound - self.neutral)

    def bounded(self, value: float) -> float:
        """Returns a value within the bounds."""
        return min(max(value, self.lower), self.upper)


def trims_of(contract: Contract) -> dict[str, Trim]:
    """Returns what may be trimmed, by name.

    Of a position actuator these are `gains`, a factor on stiffness and damping, and `offset`, rad,
    by which its encoder reads too high; of a velocity actuator `scale`, a factor on the action.
    """
    found: list[Trim] = []
    for actuator in contract.actuators:
        if actuator.mode != POSITION:
            found.append(Trim(actuator.name, SCALE, 1.0, 0.4, 1.1, "1"))
            continue
        if actuator.stiffness:
            found.append(Trim(actuator.name, GAINS, 1.0, 0.7, 4.0, "1"))
        found.append(Trim(actuator.name, OFFSET, 0.0, -0.35, 0.35, "rad"))
    return {trim.name: trim for trim in found}


def trims_to_undo(
    contract: Contract, gains: Mapping[str, float], offsets: Mapping[str, float]
) -> dict[str, float]:
    """Returns the trims that undo a robot's wear, the largest ten of them.

    Args:
        contract: the untrimmed policy's.
        gains: factor on an actuator's real gains, by its name.
        offsets: by how much an encoder reads too high, rad, by its joint's name.
    """
    known = trims_of(contract)
    wanted = {f"{joint}.{GAINS}": 1.0 / max(factor, 0.01) for joint, factor in gains.items()}
    wanted |= {f"{joint}.{OFFSET}": offset for joint, offset in offsets.items()}
    found = {name: known[name].bounded(v) for name, v in wanted.items() if name in known}
    return largest(contract, found)


def largest(contract: Contract, values: Mapping[str, float]) -> dict[str, float]:
    """Returns at most ten trims, those that use most of their bounds, the largest first.

    Args:
        contract: the untrimmed policy's.
        values: by the trim's name, within the bounds.
    """
    known = trims_of(contract)
    shares = {name: known[name].share(value) for name, value in values.items()}
    order = sorted((name for name in shares if shares[name]), key=lambda name: -shares[name])
    return {name: round(values[name], 4) for name in order[:MOST]}


def trimmed(contract: Contract, values: Mapping[str, float]) -> Contract:
    """Returns a contract whose numbers are trimmed.

    Args:
        contract: the untrimmed policy's.
        values: by the trim's name.

    Raises:
        UserError: there is no such trim, a value is out of its bounds, or there are too many.
    """
    known = trims_of(contract)
    if len(values) > MOST:
        raise UserError(f"{len(values)} trims; a policy may have {MOST}")
    for name, value in values.items():
        if name not in known:
            raise UserError(f"there is no trim '{name}'; {suggestion(name, known)}")
        trim = known[name]
        if not trim.lower <= value <= trim.upper:
            raise UserError(
                f"trim '{name}' must be {trim.lower:g} to {trim.upper:g} {trim.unit}, not {value:g}"
            )
    actuators = tuple(_trimmed(actuator, values) for actuator in contract.actuators)
    return dataclasses.replace(contract, actuators=actuators)


def _trimmed(actuator: Actuator, values: Mapping[str, float]) -> Actuator:
    gains = values.get(f"{actuator.name}.{GAINS}", 1.0)
    default = actuator.default + values.get(f"{actuator.name}.{OFFSET}", 0.0)
    return dataclasses.replace(
        actuator,
        stiffness=actuator.stiffness * gains,
        damping=actuator.damping * gains,
        default=min(max(default, actuator.lower), actuator.upper),
        action_scale=actuator.action_scale * values.get(f"{actuator.name}.{SCALE}", 1.0),
    )
