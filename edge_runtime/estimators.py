"""Finds estimators by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_runtime.errors import ContractError
from edge_runtime.fusion import Fusion
from edge_runtime.fusion.estimate import StateFilter
from edge_runtime.fusion.measurement import Measurement
from edge_runtime.fusion.no_fusion import NoFusion
from edge_runtime.plugins import Registry
from edge_runtime.policy.contract import Contract
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    FOOT_FORCE,
    IMU_ACCEL,
    IMU_BURST,
    IMU_GYRO,
    IMU_READING,
    JOINT_TORQUE,
    LIDAR,
    POSITION,
)

AUTO = "auto"


@dataclass(frozen=True)
class Estimator:
    """Declares an estimator: its outputs, the robots it fits, and how it is made for N rows."""

    gives: frozenset[str]
    fits: Callable[[RobotDescription], bool]
    make: Callable[[Contract, RobotDescription, int], Fusion]
    rehearsed: bool = True  # whether a second one may run before each tick; not with a process
    # Makes its filter for the measurements of a recording, which `sim2edge fuse` replays; None for
    # one that runs on the log of a run alone.
    replay: Callable[[Sequence[Measurement]], StateFilter] | None = None


def _has_imu(robot: RobotDescription) -> bool:
    return {IMU_GYRO, IMU_ACCEL} <= {signal.name for signal in robot.signals}


def _robot(contract: Contract, robot: RobotDescription, rows: int) -> Fusion:
    return NoFusion()


# Imported when they are chosen: they import numba, which takes a second.


def _vqf(contract: Contract, robot: RobotDescription, rows: int) -> Fusion:
    from edge_runtime.fusion.attitude.fusion import AttitudeFusion  # noqa: PLC0415

    return AttitudeFusion(contract.control_period, _burst(robot), rows)


def _legged(contract: Contract, robot: RobotDescription, rows: int) -> Fusion:
    from edge_runtime.fusion.legged.fusion import LeggedFusion  # noqa: PLC0415

    if robot.legged is None:
        raise ContractError(f"robot '{robot.name}' does not describe its legs; {_ELSE}")
    witnesses = _witnesses(robot)
    if not witnesses:
        raise ContractError(
            f"robot '{robot.name}' has neither '{FOOT_FORCE}' nor '{JOINT_TORQUE}', which show "
            f"what foot stands; {_ELSE}"
        )
    arguments = (robot.legged, robot.joint_names, contract.control_period, _burst(robot))
    LeggedFusion.compile(*arguments, witnesses)
    return LeggedFusion(*arguments, rows, witnesses)


def _wheeled(contract: Contract, robot: RobotDescription, rows: int) -> Fusion:
    from edge_runtime.fusion.wheeled.fusion import WheeledFusion  # noqa: PLC0415

    if robot.wheeled is None:
        raise ContractError(f"robot '{robot.name}' does not describe its wheels; {_ELSE}")
    arguments = (robot.wheeled, contract.control_period, _burst(robot))
    WheeledFusion.compile(*arguments)
    return WheeledFusion(*arguments, rows)


def _wheeled_lidar(contract: Contract, robot: RobotDescription, rows: int) -> Fusion:
    from edge_runtime.fusion.wheeled.fusion import WheeledFusion  # noqa: PLC0415
    from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometry  # noqa: PLC0415

    if robot.wheeled is None or robot.wheeled.lidar is None:
        raise ContractError(f"robot '{robot.name}' does not describe wheels and a lidar; {_ELSE}")
    arguments = (robot.wheeled, contract.control_period, _burst(robot))
    WheeledFusion.compile(*arguments)
    beams = next((s.size for s in robot.signals if s.name == LIDAR), 0)
    lidar = LidarOdometry(robot.wheeled.lidar)
    return WheeledFusion(*arguments, rows, lidar=lidar, beams=beams)


_ELSE = "choose another estimator with --fusion"
_MOTION = frozenset((ATTITUDE, BASE_VELOCITY))
OWN_ESTIMATES = Estimator(frozenset(), lambda robot: True, _robot)
VQF = Estimator(frozenset((ATTITUDE,)), _has_imu, _vqf)
LEGGED = Estimator(
    _MOTION,
    lambda robot: _has_imu(robot) and robot.legged is not None and bool(_witnesses(robot)),
    _legged,
)
WHEELED = Estimator(
    _MOTION | {POSITION},
    lambda robot: _has_imu(robot) and robot.wheeled is not None,
    _wheeled,
)
WHEELED_LIDAR = Estimator(
    _MOTION | {POSITION},
    lambda robot: _has_imu(robot) and robot.wheeled is not None and robot.wheeled.lidar is not None,
    _wheeled_lidar,
    rehearsed=False,
)
_ROBOT = "robot"  # its own estimates
# Those that "auto" chooses from, the simplest first. Not those of other packages, so that
# installing one never changes by which estimate a robot is driven.
AUTOMATIC = (_ROBOT, "vqf", "legged", "wheeled", "wheeled+lidar")
ESTIMATORS: Registry[Estimator] = Registry(
    "sim2edge.estimators",
    "fusion",
    lambda thing: isinstance(thing, Estimator),
    "an edge_runtime.estimators.Estimator",
)


def find_fusion(name: str, contract: Contract, robot: RobotDescription, rows: int = 1) -> Fusion:
    """Makes the estimator of that name, for a policy on N robots of a kind.

    Raises:
        UserError: there is none of that name.
        ContractError: the robot's sensors are not as it needs them.
    """
    return ESTIMATORS.find(find_name(name, contract, robot)).make(contract, robot, rows)


def find_spare(name: str, contract: Contract, robot: RobotDescription) -> Fusion | None:
    """Makes another estimator of that name to rehearse ticks with; None if it is not rehearsed.

    Raises:
        UserError: there is none of that name.
        ContractError: the robot's sensors are not as it needs them.
    """
    estimator = ESTIMATORS.find(find_name(name, contract, robot))
    return estimator.make(contract, robot, 1) if estimator.rehearsed else None


def find_name(name: str, contract: Contract, robot: RobotDescription) -> str:
    """Returns the name itself, or the one that "auto" stands for.

    That is the simplest that gives what the policy needs, and an attitude at least, by which the
    guard knows a fall. Where none does, it is the robot's own signals; where they do not give it
    all either, `bind` says what is missing.

    Raises:
        UserError: there is none of that name.
    """
    if name != AUTO:
        if name not in ESTIMATORS:
            raise ESTIMATORS.unknown(name, (AUTO, *ESTIMATORS))
        return name
    needed = {ATTITUDE, *contract.estimator_outputs}
    choices = {name: ESTIMATORS.find(name) for name in AUTOMATIC}
    fitting = [name for name, choice in choices.items() if choice.fits(robot)]
    found = next((name for name in fitting if needed <= choices[name].gives), "")
    own = needed <= {signal.name for signal in robot.signals}
    return found or (_ROBOT if own else "vqf")


def _witnesses(robot: RobotDescription) -> tuple[str, ...]:
    """Returns the robot's signals that show which feet stand."""
    return tuple(s.name for s in robot.signals if s.name in (FOOT_FORCE, JOINT_TORQUE))


def _burst(robot: RobotDescription) -> int:
    """Returns how many IMU readings a sample has.

    Raises:
        ContractError: they are not whole.
    """
    size = next((s.size for s in robot.signals if s.name == IMU_BURST), 0)
    if size % IMU_READING:
        raise ContractError(
            f"robot '{robot.name}': signal '{IMU_BURST}' has {size} entries; it must hold whole "
            f"readings of gyroscope and accelerometer, {IMU_READING} entries each"
        )
    return size // IMU_READING
