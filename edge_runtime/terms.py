"""The observation terms. Each is a pure function over signals, (N, size) float32, row by row."""

import numpy as np

from edge_runtime.observation import term
from edge_runtime.signal import (
    ATTITUDE,
    COMMAND,
    CONTROL_STEP,
    DEFAULT_TARGET,
    LAST_ACTION,
    Array,
)


@term(reads=("imu_gyro",), unit="rad/s", frame="imu")
def angular_velocity(gyro: Array) -> Array:
    """Angular velocity as the gyroscope reads it, (N, 3)."""
    return gyro


@term(reads=("imu_accel",), unit="m/s^2", frame="imu")
def specific_force(accel: Array) -> Array:
    """Specific force as the accelerometer reads it, (N, 3)."""
    return accel


@term(reads=(ATTITUDE,), unit="1", frame="body")
def projected_gravity(attitude: Array) -> Array:
    """Unit vector of gravity in the body frame, (N, 3); (0, 0, -1) when upright."""
    w, x, y, z = attitude[:, 0], attitude[:, 1], attitude[:, 2], attitude[:, 3]
    two = np.float32(2)
    return np.stack(
        [two * (w * y - x * z), -two * (y * z + w * x), two * (x * x + y * y) - np.float32(1)],
        axis=1,
    )


@term(reads=("joint_pos", DEFAULT_TARGET), unit="rad")
def joint_pos_rel(joint_pos: Array, default: Array) -> Array:
    """Joint positions from the default pose, (N, joints)."""
    return joint_pos - default


@term(reads=("joint_vel",), unit="rad/s")
def joint_vel(joint_vel: Array) -> Array:
    """Joint velocities, (N, joints)."""
    return joint_vel


@term(reads=(LAST_ACTION,), unit="1")
def last_action(action: Array) -> Array:
    """The last action, after the clip, (N, actuators)."""
    return action


@term(reads=(COMMAND,), unit="m/s, rad/s", frame="body")
def command(command: Array) -> Array:
    """What the operator asks for, (N, commands)."""
    return command


@term(reads=(CONTROL_STEP, COMMAND), unit="1")
def gait_clock(step: Array, command: Array, *, steps: float, deadband: float) -> Array:
    """Sine and cosine of the gait's phase, (N, 2); zero while the command says to stand.

    Args:
        step: control periods since the start.
        command: forward, lateral and yaw speed.
        steps: control periods in one gait cycle.
        deadband: a command below this in every component means standing.
    """
    phase = np.mod(step[:, 0], np.float32(steps)).astype(np.float64) * (2 * np.pi / steps)
    moving = (np.abs(command) > np.float32(deadband)).any(axis=1)
    clock = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    return (clock * moving[:, None]).astype(np.float32)


@term(reads=("wheel_speed",), unit="rad/s")
def wheel_speed(wheel_speed: Array) -> Array:
    """Wheel speeds, (N, wheels)."""
    return wheel_speed


@term(reads=("steering_angle",), unit="rad")
def steering_angle(steering_angle: Array) -> Array:
    """Steering angle at the column, (N, 1)."""
    return steering_angle


@term(reads=("lidar",), unit="1", frame="lidar")
def lidar_closeness(ranges: Array, *, near: float) -> Array:
    """near / (near + range) of each beam, (N, beams): fine where it is close, 0 at infinity."""
    return np.float32(near) / (np.float32(near) + ranges)
