"""Defines the observation terms: pure functions over signals, (N, size) float32, row by row."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import ContractError
from edge_runtime.plugins import Registry
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    COMMAND,
    CONTROL_STEP,
    DEFAULT_TARGET,
    LAST_ACTION,
    Array,
)

TermFunction = Callable[..., Array]


@dataclass(frozen=True)
class Term:
    """Declares a term: its function, the signals that it reads, and its output's unit and frame."""

    function: TermFunction
    reads: tuple[str, ...]
    unit: str
    frame: str


TERMS: Registry[Term] = Registry(
    "sim2edge.terms",
    "observation term",
    lambda thing: isinstance(thing, Term),
    "a function decorated with @term",
    ContractError,
)


def term(
    *, reads: tuple[str, ...], unit: str, frame: str = ""
) -> Callable[[TermFunction], TermFunction]:
    """Registers a pure function `f(*signals, **params) -> (N, size)` as an observation term."""

    def register(function: TermFunction) -> TermFunction:
        TERMS.register(function.__name__, function.__module__)(Term(function, reads, unit, frame))
        return function

    return register


_FACTORS = np.array([0, 2, 1, 1, 0, 2, 2, 3, 1, 3, 1, 2])  # wyx xwy times yzx zxy
_SIGNS = np.array([2, -2, 2, -2, -2, 2], np.float32)
_UP = np.array([0, 0, 1], np.float32)


@term(reads=("imu_gyro",), unit="rad/s", frame="imu")
def angular_velocity(gyro: Array) -> Array:
    """Returns the gyroscope's angular velocity, (N, 3), rad/s."""
    return gyro


@term(reads=("imu_accel",), unit="m/s^2", frame="imu")
def specific_force(accel: Array) -> Array:
    """Returns the accelerometer's specific force, (N, 3), m/s^2."""
    return accel


@term(reads=(BASE_VELOCITY,), unit="m/s", frame="body")
def base_velocity(velocity: Array) -> Array:
    """Returns the estimated velocity of the IMU in the body frame, (N, 3), m/s."""
    return velocity


@term(reads=(ATTITUDE,), unit="1", frame="body")
def projected_gravity(attitude: Array) -> Array:
    """Returns the unit vector of gravity in the body frame, (N, 3); (0, 0, -1) when upright."""
    # 2 (wy - xz), -2 (yz + wx), 2 (xx + yy) - 1, in few calls: each costs a robot microseconds.
    factors = attitude.take(_FACTORS, axis=1)
    products: Array = factors[:, :6] * factors[:, 6:]
    products *= _SIGNS
    gravity: Array = products[:, :3]
    gravity += products[:, 3:]
    gravity -= _UP
    return gravity


@term(reads=("joint_pos", DEFAULT_TARGET), unit="rad")
def joint_pos_rel(joint_pos: Array, default: Array) -> Array:
    """Returns joint positions relative to the default pose, (N, joints), rad."""
    return joint_pos - default


@term(reads=("joint_vel",), unit="rad/s")
def joint_vel(joint_vel: Array) -> Array:
    """Returns joint velocities, (N, joints), rad/s."""
    return joint_vel


@term(reads=(LAST_ACTION,), unit="1")
def last_action(action: Array) -> Array:
    """Returns the last action after the clip, (N, actuators)."""
    return action


@term(reads=(COMMAND,), unit="m/s, rad/s", frame="body")
def command(command: Array) -> Array:
    """Returns the operator's command, (N, commands), m/s and rad/s."""
    return command


@term(reads=(CONTROL_STEP, COMMAND, ATTITUDE, "imu_gyro"), unit="1")
def gait_clock(
    step: Array,
    command: Array,
    attitude: Array,
    gyro: Array,
    *,
    steps: float,
    deadband: float,
    lean: float,
    rate: float,
) -> Array:
    """Returns sine and cosine of the gait's phase, (N, 2); zero while the robot should stand.

    Args:
        step: control periods since the start, (N, 1).
        command: forward, lateral and yaw speed, (N, 3), m/s and rad/s.
        attitude: body to world, wxyz, (N, 4).
        gyro: angular velocity, (N, 3), rad/s.
        steps: control periods in one gait cycle, a whole number.
        deadband: see `should_step`.
        lean: see `should_step`.
        rate: see `should_step`.
    """
    cycle = _gait_cycle(int(steps))
    clock: Array = cycle.take(step[:, 0].astype(np.intp), axis=0, mode="wrap")
    clock *= should_step(command, attitude, gyro, deadband, lean, rate)[:, None]
    return clock


def should_step(
    command: Array, attitude: Array, gyro: Array, deadband: float, lean: float, rate: float
) -> npt.NDArray[np.bool_]:
    """Returns whether a legged robot should step, (N,): on command, or to catch itself.

    Args:
        command: forward, lateral and yaw speed, (N, 3), m/s and rad/s.
        attitude: body to world, wxyz, (N, 4).
        gyro: angular velocity, (N, 3), rad/s.
        deadband: a command below this in every component means standing, m/s and rad/s.
        lean: largest tilt that the robot balances without a step, rad.
        rate: largest roll or pitch rate that it balances without a step, rad/s.
    """
    gravity = projected_gravity(attitude)
    watched = np.concatenate([command, gravity[:, :2], gyro[:, :2]], axis=1)
    beyond = np.abs(watched) > _stand_limits(command.shape[1], deadband, lean, rate)
    moving: npt.NDArray[np.bool_] = np.logical_or.reduce(beyond, axis=1)
    return moving


@cache
def _stand_limits(commands: int, deadband: float, lean: float, rate: float) -> Array:
    """Returns limits of each command, of gravity forward and left, and of roll and pitch rate."""
    return np.array([deadband] * commands + [lean] * 2 + [rate] * 2, np.float32)


@cache
def _gait_cycle(steps: int) -> Array:
    """Returns sine and cosine of each step's phase, (steps, 2)."""
    phase = np.arange(steps) * (2 * np.pi / steps)
    return np.stack([np.sin(phase), np.cos(phase)], axis=1).astype(np.float32)


@term(reads=("wheel_speed",), unit="rad/s")
def wheel_speed(wheel_speed: Array) -> Array:
    """Returns wheel speeds, (N, wheels), rad/s."""
    return wheel_speed


@term(reads=("steering_angle",), unit="rad")
def steering_angle(steering_angle: Array) -> Array:
    """Returns the steering angle at the column, (N, 1), rad."""
    return steering_angle


@term(reads=("lidar",), unit="1", frame="lidar")
def lidar_closeness(ranges: Array, *, near: float) -> Array:
    """Returns near / (near + range) of each beam, (N, beams): 1 at contact, 0 at infinity."""
    closeness: Array = np.float32(near) / (np.float32(near) + ranges)
    return closeness
