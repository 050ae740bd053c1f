"""Writes and reads the deployment contract, a policy file's metadata.

A policy is one self-contained ``.onnx`` file. Its metadata holds the keys that mjlab writes
(comma-separated, because existing ROS 2 controllers parse them) and one JSON value under
``sim2edge`` with everything. `edge_runtime.policy.inference` runs the network.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from edge_runtime.config.config_file import from_json
from edge_runtime.config.document import parse_table
from edge_runtime.config.fields import Setting, check_value, setting
from edge_runtime.errors import ContractError, UserError
from edge_runtime.observation.builder import TermConfig, term_sizes
from edge_runtime.observation.terms import TERMS
from edge_runtime.signals import Array, Signal

FORMAT = 1
_LARGEST = 1e9  # of a policy's numbers, which the runtime computes with in single precision
_MOST = 1000  # actuators, terms, signals, commands and golden vectors, of each
KEY = "sim2edge"
CHECKSUM_KEY = "sim2edge_sha256"
POSITION: Literal["position"] = "position"
VELOCITY: Literal["velocity"] = "velocity"


@dataclass(frozen=True)
class Actuator:
    """Describes one actuated joint, bound by name, in rad, rad/s and Nm.

    Raises:
        UserError: the default is not between the limits.
    """

    name: str
    mode: Literal["position", "velocity"] = POSITION  # what the target is
    stiffness: float = setting(0.0, unit="Nm/rad", at_least=0, at_most=_LARGEST)
    damping: float = setting(0.0, unit="Nm s/rad", at_least=0, at_most=_LARGEST)
    default: float = setting(0.0, "Target at action 0.", at_least=-_LARGEST, at_most=_LARGEST)
    action_scale: float = setting(1.0, at_least=-_LARGEST, at_most=_LARGEST)
    """The target is default + action_scale * action."""
    lower: float = setting(-math.inf, "Lower limit of the target.", infinite=True)
    upper: float = setting(math.inf, "Upper limit of the target.", infinite=True)
    max_velocity: float = setting(math.inf, at_least=0, infinite=True)
    max_effort: float = setting(math.inf, at_least=0, infinite=True)

    def __post_init__(self) -> None:
        if not self.lower <= self.default <= self.upper:
            raise UserError(
                f"joint '{self.name}': default {self.default} is not between its limits "
                f"{self.lower} and {self.upper}"
            )


@dataclass(frozen=True)
class Command:
    """Describes one component of the operator's command, and its trained range.

    Raises:
        UserError: the range is none.
    """

    name: str
    unit: str
    lower: float = setting(infinite=True)
    upper: float = setting(infinite=True)

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            raise UserError(f"command '{self.name}': from {self.lower} to {self.upper} is no range")


@dataclass(frozen=True)
class Provenance:
    """Records where a policy comes from."""

    commit: str = "unknown"
    seed: int = setting(0, at_least=0)
    steps: int = setting(0, at_least=0)
    algorithm: str = ""
    command: str = ""  # the command line that trained it
    hardware: str = ""
    train_seconds: float = setting(0.0, at_least=0)
    normalizer_sha256: str = ""
    normalizer_file: str = ""  # a VecNormalize that was folded in
    versions: Mapping[str, str] = field(default_factory=dict)
    parent_sha256: str = ""  # of the policy's file from which a robot learned this one
    trims: Mapping[str, float] = field(default_factory=dict)  # of that one, by name


@dataclass(frozen=True)
class Contract:
    """Holds everything that a runtime needs to drive a robot with a policy.

    Network input ``obs`` is float32 (1, observation_size), output ``actions`` float32
    (1, actuators). The runtime clips the action to ±action_clip, then targets
    `default + action_scale * action`, limited to [lower, upper].

    Raises:
        UserError: it has more of something than any robot.
    """

    task: str
    robot: str
    actuators: tuple[Actuator, ...]
    observations: tuple[TermConfig, ...]
    signals: tuple[Signal, ...]  # every signal the terms read: from sensors, fusion and runtime
    commands: tuple[Command, ...]
    control_period: float = setting(unit="s", at_least=1e-4, at_most=10)
    physics_period: float = setting(unit="s", at_least=1e-6, at_most=10)
    """Physics period of the simulation that the policy was trained in."""
    action_clip: float = setting(10.0, above=0, at_most=_LARGEST)
    max_tilt: float = setting(1.0, unit="rad", above=0, infinite=True)
    """Tilt from upright, past which the runtime damps the robot."""
    estimator_outputs: tuple[str, ...] = ()  # the signals among them that fusion must provide
    provenance: Provenance = Provenance()
    golden_observations: tuple[tuple[float, ...], ...] = ()
    golden_actions: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        for name in ("actuators", "observations", "signals", "commands", "golden_observations"):
            count = len(getattr(self, name))
            if count > _MOST:
                raise UserError(f"it has {count} {name}; {_MOST} are the most")

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Returns the actuators' names, in the order of the action."""
        return tuple(actuator.name for actuator in self.actuators)

    @property
    def term_sizes(self) -> tuple[int, ...]:
        """Returns the number of entries of each observation term, history included."""
        return term_sizes(self.observations, self.signals)

    @property
    def observation_size(self) -> int:
        """Returns how many numbers the policy observes."""
        return sum(self.term_sizes)

    def command_values(self, given: Sequence[float]) -> Array:
        """Returns the operator's command as an array, (commands,); zeros if none is given.

        Raises:
            UserError: there are more or fewer numbers than commands, or one is out of its range.
        """
        count = len(self.commands)
        if given and len(given) != count:
            names = ", ".join(c.name for c in self.commands) or "none"
            raise UserError(
                f"--command has {len(given)} numbers, the policy takes {count}: {names}"
            )
        for value, of in zip(given, self.commands):
            trained = Setting(unit=of.unit, at_least=of.lower, at_most=of.upper)
            check_value(value, trained, f"--command: {of.name}")
        return np.array(given or [0.0] * count, np.float32)


def to_metadata(contract: Contract) -> dict[str, str]:
    """Returns a policy file's metadata: mjlab's keys, the JSON and its checksum."""
    document = json.dumps({"format": FORMAT, **dataclasses.asdict(contract)}, sort_keys=True)
    checksum = hashlib.sha256(document.encode()).hexdigest()
    return _mjlab_keys(contract) | {KEY: document, CHECKSUM_KEY: checksum}


def _mjlab_keys(contract: Contract) -> dict[str, str]:
    """Returns the keys that mjlab writes, each list with commas between its values."""
    of = contract.actuators
    return {
        "joint_names": ",".join(contract.joint_names),
        "joint_stiffness": _numbers(a.stiffness for a in of),
        "joint_damping": _numbers(a.damping for a in of),
        "default_joint_pos": _numbers(a.default for a in of),
        "action_scale": _numbers(a.action_scale for a in of),
        "command_names": ",".join(c.name for c in contract.commands),
        "observation_names": ",".join(t.name for t in contract.observations),
        "observation_terms_scale": _numbers(t.scale for t in contract.observations),
        "observation_terms_history_length": _numbers(t.history for t in contract.observations),
        "observation_terms_size": _numbers(contract.term_sizes),
        "observation_terms_unit": ",".join(
            TERMS.find(t.name).unit.replace(",", ";") for t in contract.observations
        ),
    }


def from_metadata(metadata: Mapping[str, str], source: str) -> Contract:
    """Reads and checks a policy file's metadata.

    Args:
        metadata: the file's metadata.
        source: its path, for the error messages.

    Raises:
        ContractError: the file is not a sim2edge policy, was changed since export, or contradicts
            itself.
    """
    if KEY not in metadata:
        raise ContractError(
            f"{source}: no '{KEY}' metadata, so it is not a sim2edge policy; "
            "write one with 'sim2edge export'"
        )
    document = metadata[KEY]
    if hashlib.sha256(document.encode()).hexdigest() != metadata.get(CHECKSUM_KEY):
        raise ContractError(f"{source}: the contract was changed since export; export it again")
    way_out = "export it again"
    try:
        fields = parse_table(document, "the contract")
        if fields.pop("format", None) != FORMAT:
            raise ContractError(f"contract format is not {FORMAT}")
        contract = from_json(Contract, fields, "malformed contract")
        if any(term.name not in TERMS for term in contract.observations):
            way_out = "install the package that brings it, or name its module by --import MODULE"
        with np.errstate(all="ignore"):
            expected_metadata = _mjlab_keys(contract)
    except (UserError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ContractError(f"{source}: {error}; {way_out}") from None
    for key, expected in expected_metadata.items():
        found = metadata.get(key, "")
        if found != expected and _values(found) != _values(expected):
            raise ContractError(
                f"{source}: metadata '{key}' contradicts the contract; export it again"
            )
    return contract


def _values(text: str) -> list[float | str]:
    """Splits comma-separated values, numbers as such: 20 is 20.0."""
    found: list[float | str] = []
    for word in text.split(","):
        try:
            found.append(float(word))
        except ValueError:
            found.append(word)
    return found


def _numbers(values: Any) -> str:
    """Joins numbers by commas, with all digits that identify the float."""
    return ",".join(repr(float(v)) if isinstance(v, float) else str(v) for v in values)
