"""Matches a policy with a robot by name, before a motor moves."""

from dataclasses import dataclass

import numpy as np

from edge_runtime.errors import ContractError
from edge_runtime.fusion import Fusion
from edge_runtime.policy.contract import Contract
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import (
    ATTITUDE,
    COMMAND,
    CONTROL_STEP,
    DEFAULT_TARGET,
    JOINT_POS,
    JOINT_TORQUE,
    JOINT_VEL,
    LAST_ACTION,
    Signal,
)

PER_JOINT = (JOINT_POS, JOINT_VEL, JOINT_TORQUE)  # signals in the robot's joint order


@dataclass(frozen=True)
class Binding:
    """Maps between the joint orders of a robot and a policy."""

    to_policy: np.ndarray  # values in policy order = values in robot order[to_policy]
    to_robot: np.ndarray  # values in robot order = values in policy order[to_robot]

    @property
    def same_order(self) -> bool:
        """Returns whether both orders are the same."""
        return bool((self.to_policy == np.arange(len(self.to_policy))).all())


def bind(
    contract: Contract, robot: RobotDescription, fusion: Fusion, source: str = "policy"
) -> Binding:
    """Matches joints by name and checks every signal that the policy reads.

    Raises:
        ContractError: a joint or signal is missing, superfluous, or of another size, unit or
            frame; the message says which.
    """
    _check_joints(contract, robot, source)
    available = {signal.name: signal for signal in (*robot.signals, *fusion.provides)}
    _check_live(robot)
    _check_images(robot)
    _check_reads(robot, fusion, source)
    # Half of the estimates from one estimator and half from another would contradict each other.
    estimated = {signal.name for signal in fusion.provides or robot.signals}
    for name in contract.estimator_outputs:
        if name not in estimated:
            has = ", ".join(s.name for s in fusion.provides) or "nothing"
            raise ContractError(
                f"{source}: needs '{name}' from an estimator, and this one gives {has}; "
                "choose another with --fusion"
            )
    runtime = _runtime_sizes(contract)
    for signal in contract.signals:
        if signal.name in runtime:
            _check_size(signal, runtime[signal.name], "the runtime", source, "the policy")
        elif signal.name not in available:
            raise ContractError(
                f"{source}: needs signal '{signal.name}', which robot '{robot.name}' does not "
                "give; use a policy trained for this robot"
            )
        else:
            _check_signal(signal, available[signal.name], robot, source, "the policy")
    to_policy = np.array([robot.joint_names.index(name) for name in contract.joint_names])
    return Binding(to_policy, np.argsort(to_policy))


def check_same_operation(running: Contract, contract: Contract, source: str) -> None:
    """Checks that a policy may follow the running one: the operator and the guard stay.

    Raises:
        ContractError: it takes other commands than the operator gives, or has another limit of
            tilt.
    """
    commands, wanted = ([(c.name, c.unit) for c in of.commands] for of in (contract, running))
    if commands != wanted:
        takes, asked = (", ".join(f"{n} {u}" for n, u in of) or "none" for of in (commands, wanted))
        raise ContractError(
            f"{source}: its commands are {takes}, the operator gives {asked}; "
            "start a new run with it"
        )
    if contract.max_tilt != running.max_tilt:
        raise ContractError(
            f"{source}: its max_tilt is {contract.max_tilt:g} rad, the running guard's "
            f"{running.max_tilt:g}; start a new run with it"
        )


def _check_joints(contract: Contract, robot: RobotDescription, source: str) -> None:
    for who, names in ((source, contract.joint_names), (robot.name, robot.joint_names)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ContractError(f"{who}: joint {_quoted(twice)} is there twice")
    missing = [name for name in contract.joint_names if name not in robot.joint_names]
    extra = [name for name in robot.joint_names if name not in contract.joint_names]
    if missing:
        raise ContractError(
            f"{source}: drives joint {_quoted(missing)}, which robot '{robot.name}' does not have; "
            f"it was made for robot '{contract.robot}'"
        )
    if extra:
        raise ContractError(
            f"{source}: does not drive joint {_quoted(extra)} of robot '{robot.name}'; "
            f"it was made for robot '{contract.robot}'"
        )


def _check_live(robot: RobotDescription) -> None:
    given = {signal.name for signal in robot.signals}
    claimed = (*(robot.live or ()), *robot.live_moving)
    missing = [name for name in claimed if name not in given]
    if missing:
        raise ContractError(
            f"robot '{robot.name}' calls {_quoted(missing)} live but gives no such signal"
        )


def _check_images(robot: RobotDescription) -> None:
    for image in robot.images:
        try:
            np.dtype(image.dtype)
        except TypeError:
            raise ContractError(
                f"robot '{robot.name}': image '{image.name}' has dtype '{image.dtype}', which "
                "numpy does not know; give one such as 'uint8' or 'float32'"
            ) from None


def _check_reads(robot: RobotDescription, fusion: Fusion, source: str) -> None:
    """Checks the sensor signals that the estimator and the loop itself read."""
    given = {signal.name: signal for signal in robot.signals}
    missing = [signal.name for signal in fusion.reads if signal.name not in given]
    if missing:
        raise ContractError(
            f"{source}: the estimator reads {_quoted(missing)}, which robot '{robot.name}' does "
            "not give; choose another with --fusion"
        )
    for signal in fusion.reads:
        _check_signal(signal, given[signal.name], robot, source, "the estimator")
    own = (Signal(JOINT_POS, len(robot.joint_names), "rad"), Signal(ATTITUDE, 4, "1", "world"))
    for signal in own:
        if signal.name in given:
            _check_signal(signal, given[signal.name], robot, source, "the loop")


def _check_signal(
    needed: Signal, given: Signal, robot: RobotDescription, source: str, reader: str
) -> None:
    _check_size(needed, given.size, f"robot '{robot.name}'", source, reader)
    for what, expected, found in (
        ("unit", needed.unit, given.unit),
        ("frame", needed.frame, given.frame),
    ):
        if expected != found:
            raise ContractError(
                f"{source}: signal '{needed.name}' has {what} '{expected}' in {reader} and "
                f"'{found}' on robot '{robot.name}'"
            )


def _check_size(needed: Signal, size: int, giver: str, source: str, reader: str) -> None:
    if needed.size != size:
        raise ContractError(
            f"{source}: signal '{needed.name}' has {needed.size} entries in {reader}, "
            f"{size} from {giver}"
        )


def _runtime_sizes(contract: Contract) -> dict[str, int]:
    joints = len(contract.actuators)
    return {
        COMMAND: len(contract.commands),
        LAST_ACTION: joints,
        CONTROL_STEP: 1,
        DEFAULT_TARGET: joints,
    }


def _quoted(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)
