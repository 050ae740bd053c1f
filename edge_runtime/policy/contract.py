"""The deployment contract: a policy file's metadata, written and read.

A policy is one self-contained ``.onnx`` file. Its metadata holds the keys that mjlab writes
(comma-separated, because existing ROS 2 controllers parse them) and one JSON value under
``sim2edge`` with everything. `edge_runtime.policy.inference` runs the network.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from edge_runtime.errors import ContractError
from edge_runtime.observation.builder import TermConfig, term_sizes
from edge_runtime.observation.terms import TERMS
from edge_runtime.signals import Signal

FORMAT = 1
KEY = "sim2edge"
CHECKSUM_KEY = "sim2edge_sha256"
POSITION, VELOCITY = "position", "velocity"


@dataclass(frozen=True)
class Actuator:
    """One actuated joint, bound by name. SI units: rad, rad/s, Nm."""

    name: str
    mode: str = POSITION  # what the target is: POSITION or VELOCITY
    stiffness: float = 0.0  # Nm/rad
    damping: float = 0.0  # Nm s/rad
    default: float = 0.0  # target at action 0
    action_scale: float = 1.0  # target = default + action_scale * action
    lower: float = float("-inf")  # limits of the target
    upper: float = float("inf")
    max_velocity: float = float("inf")
    max_effort: float = float("inf")


@dataclass(frozen=True)
class Command:
    """One component of the operator's command, and its trained range."""

    name: str
    unit: str
    lower: float
    upper: float


@dataclass(frozen=True)
class Provenance:
    """Records where a policy comes from."""

    commit: str = "unknown"
    seed: int = 0
    steps: int = 0
    algorithm: str = ""
    command: str = ""  # the command line that trained it
    hardware: str = ""
    train_seconds: float = 0.0
    normalizer_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contract:
    """Holds everything that a runtime needs to drive a robot with a policy.

    Network input ``obs`` is float32 (1, observation_size), output ``actions`` float32
    (1, actuators). The runtime clips the action to ±action_clip, then targets
    `default + action_scale * action`, limited to [lower, upper].
    """

    task: str
    robot: str
    actuators: tuple[Actuator, ...]
    observations: tuple[TermConfig, ...]
    signals: tuple[Signal, ...]  # every signal the terms read: from sensors, fusion and runtime
    commands: tuple[Command, ...]
    control_period: float  # s
    physics_period: float  # s, in the simulation it was trained in
    action_clip: float = 10.0
    max_tilt: float = 1.0  # rad from upright; past it the runtime damps the robot
    estimator_outputs: tuple[str, ...] = ()  # the signals among them that fusion must provide
    provenance: Provenance = Provenance()
    golden_observations: tuple[tuple[float, ...], ...] = ()
    golden_actions: tuple[tuple[float, ...], ...] = ()

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The actuators' names, in the order of the action."""
        return tuple(actuator.name for actuator in self.actuators)

    @property
    def term_sizes(self) -> tuple[int, ...]:
        """Entries of each observation term, history included."""
        return term_sizes(self.observations, self.signals)

    @property
    def observation_size(self) -> int:
        return sum(self.term_sizes)


def to_metadata(contract: Contract) -> dict[str, str]:
    """Returns a policy file's metadata: mjlab's keys, the JSON and its checksum."""
    document = json.dumps({"format": FORMAT, **dataclasses.asdict(contract)}, sort_keys=True)
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
        KEY: document,
        CHECKSUM_KEY: hashlib.sha256(document.encode()).hexdigest(),
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
    try:
        fields = json.loads(document)
        if fields.pop("format", None) != FORMAT:
            raise ContractError(f"contract format is not {FORMAT}")
        contract = _contract(fields)
        expected_metadata = to_metadata(contract)
    except ContractError as error:
        raise ContractError(f"{source}: {error}; export it again") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ContractError(f"{source}: malformed contract ({error}); export it again") from None
    for key, expected in expected_metadata.items():
        if metadata.get(key) != expected:
            raise ContractError(
                f"{source}: metadata '{key}' contradicts the contract; export it again"
            )
    return contract


def _numbers(values: Any) -> str:
    """Joins numbers by commas, with all digits that identify the float."""
    return ",".join(repr(float(v)) if isinstance(v, float) else str(v) for v in values)


def _contract(fields: dict[str, Any]) -> Contract:
    """Builds the contract of a document; TypeError, KeyError or ValueError say what is wrong."""

    def rows(name: str) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(map(float, row)) for row in fields.pop(name))

    contract = _make(
        Contract,
        fields
        | {
            "actuators": tuple(_make(Actuator, a) for a in fields.pop("actuators")),
            "observations": tuple(_make(TermConfig, t) for t in fields.pop("observations")),
            "signals": tuple(_make(Signal, s) for s in fields.pop("signals")),
            "commands": tuple(_make(Command, c) for c in fields.pop("commands")),
            "estimator_outputs": tuple(fields.pop("estimator_outputs")),
            "provenance": _make(Provenance, fields.pop("provenance")),
            "golden_observations": rows("golden_observations"),
            "golden_actions": rows("golden_actions"),
        },
    )
    _check_values(contract)
    return contract


def _check_values(contract: Contract) -> None:
    """Raises ValueError for a number out of its range; NaN fails every comparison."""
    for name in ("control_period", "physics_period", "action_clip"):
        value = getattr(contract, name)
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value}, not a positive number")
    if not contract.max_tilt > 0:
        raise ValueError(f"max_tilt is {contract.max_tilt}, not a positive number")
    for term in contract.observations:
        if term.history < 1:
            raise ValueError(f"observation '{term.name}': history is {term.history}, not 1 or more")
        if not math.isfinite(term.scale):
            raise ValueError(f"observation '{term.name}': scale is {term.scale}")
    for command in contract.commands:
        if not command.lower <= command.upper:
            raise ValueError(
                f"command '{command.name}': from {command.lower} to {command.upper} is no range"
            )
    for actuator in contract.actuators:
        _check_actuator(actuator)


def _check_actuator(actuator: Actuator) -> None:
    who = f"joint '{actuator.name}'"
    if actuator.mode not in (POSITION, VELOCITY):
        raise ValueError(f"{who}: mode is '{actuator.mode}', not '{POSITION}' or '{VELOCITY}'")
    for name in ("stiffness", "damping"):
        value = getattr(actuator, name)
        if not 0 <= value < math.inf:
            raise ValueError(f"{who}: {name} is {value}, not a number from 0 on")
    for name in ("max_velocity", "max_effort"):
        value = getattr(actuator, name)
        if not value >= 0:
            raise ValueError(f"{who}: {name} is {value}, not a number from 0 on")
    if not math.isfinite(actuator.action_scale):
        raise ValueError(f"{who}: action_scale is {actuator.action_scale}")
    lower, default, upper = actuator.lower, actuator.default, actuator.upper
    if not (lower <= default <= upper and math.isfinite(default)):
        raise ValueError(f"{who}: default {default} is not between its limits {lower} and {upper}")


_PLAIN: dict[Any, Any] = {float: (int, float), int: int, str: str}
T = TypeVar("T")


def _make(kind: type[T], fields: Mapping[str, Any]) -> T:
    """Builds a dataclass from a document's fields, whose types are checked."""
    hints = get_type_hints(kind)
    for name, value in fields.items():
        plain = _PLAIN.get(hints.get(name))
        if plain and not isinstance(value, plain):
            raise TypeError(f"{kind.__name__}: {name} is {value!r}")
    return kind(**fields)
