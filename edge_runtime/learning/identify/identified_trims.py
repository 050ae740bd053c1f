"""Turns what a robot has identified of itself into trims of its policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.learning.identify.identifier import (
    FRICTION,
    GAINS,
    OFFSET,
    Identified,
    kind_of,
)
from edge_runtime.learning.trims import SCALE, largest, trimmed, trims_of
from edge_runtime.policy.contract import POSITION, Contract
from edge_runtime.signals import Float

_FRICTION, _SCALE = "by_friction/friction", "by_friction/scale"  # in a learner kit


@dataclass(frozen=True)
class ScaleByFriction:
    """Says how fast a car should drive on what grip, as simulation found.

    Args:
        friction: factors on the friction of the ground, (K,), rising.
        scale: the best factor on the drive's action for each, (K,).
    """

    friction: Float
    scale: Float

    @classmethod
    def from_kit(cls, extra: Mapping[str, npt.NDArray[Any]]) -> "ScaleByFriction | None":
        """Returns what a learner kit says; None if it says nothing."""
        if _FRICTION not in extra or _SCALE not in extra:
            return None
        return cls(extra[_FRICTION].astype(float), extra[_SCALE].astype(float))

    def for_kit(self) -> dict[str, npt.NDArray[Any]]:
        """Returns the arrays by which a learner kit keeps it."""
        return {_FRICTION: self.friction, _SCALE: self.scale}

    def at(self, friction: float) -> float:
        """Returns the best factor for a grip, interpolated."""
        return float(np.interp(friction, self.friction, self.scale))


def next_trims(
    contract: Contract,
    trims: Mapping[str, float],
    found: Identified,
    sigmas: float,
    by_friction: ScaleByFriction | None = None,
) -> dict[str, float]:
    """Returns the trims that undo what is still identified under the present ones.

    A joint's gains are commanded higher by as much as the motor's are lower; an encoder's offset
    is added to its joint's default. What no trim undoes, as a payload, is left to other tiers.

    Args:
        contract: the untrimmed policy's.
        trims: those of the policy that drove, by name.
        found: what was identified while it drove.
        sigmas: standard errors by which a number must differ to be undone.
        by_friction: how fast to drive on what grip, for a car.
    """
    known, wanted = trims_of(contract), dict(trims)
    significant = found.significant(sigmas)
    for name, value in significant.items():
        if name not in known:
            continue
        before = wanted.get(name, known[name].neutral)
        after = before / value if kind_of(name) == GAINS else before + value
        wanted[name] = known[name].bounded(after)
    driven = [f"{a.name}.{SCALE}" for a in contract.actuators if a.mode != POSITION]
    is_known = FRICTION in significant or any(name in trims for name in driven)
    if by_friction is not None and FRICTION in found.values and is_known:
        # One error less than is estimated: to be too slow costs little, too fast is a crash.
        grip = found.values[FRICTION] - found.errors[FRICTION]
        for name in driven:
            wanted[name] = known[name].bounded(by_friction.at(grip))
    return largest(contract, wanted)


def undone(contract: Contract, trims: Mapping[str, float]) -> Contract:
    """Returns the contract with whose numbers a trimmed robot is compared with a new one.

    Its defaults are where the joints rest by their own encoders, and its gains the untrimmed ones,
    for a robot whose wear is undone then feels as a new one does.
    """
    offsets = {name: value for name, value in trims.items() if kind_of(name) == OFFSET}
    return trimmed(contract, offsets)
