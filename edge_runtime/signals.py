"""Names the signals: the data that simulators, robots, estimators and policies exchange.

A signal is a float32 array with a leading batch axis, (N, size): N simulations, or N = 1 on a
robot. SI units; quaternions wxyz; frames as in REP-103 and REP-105.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.config.fields import setting

Array = npt.NDArray[np.float32]  # of signals
Float = npt.NDArray[np.float64]  # of physics and estimators
Bool = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]  # numbers of simulations
Signals = Mapping[str, Array]


@dataclass(frozen=True)
class Signal:
    """Describes a named array: its size, unit and frame."""

    name: str
    size: int = setting(above=0, at_most=100_000)
    unit: str = setting()  # "rad/s", "m", "1" for a pure number
    frame: str = ""  # "imu", "body", "world", or "" if none applies


@dataclass(frozen=True)
class ImageSignal:
    """Describes the images of a camera.

    An image travels beside the sample, by reference. It is not among the sample's values, which
    every tick copies and checks. The policy does not read it; observers may.
    """

    name: str
    shape: tuple[int, ...]  # (height, width, channels)
    dtype: str = "uint8"  # numpy's name
    unit: str = "1"  # "m" for depth, "1" for brightness
    frame: str = ""  # the camera's

    @property
    def nbytes(self) -> int:
        """Returns how many bytes an image has."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


# Signals that the runtime itself provides to the observation, on every robot.
COMMAND = "command"  # the operator's command, (N, len(command_names))
LAST_ACTION = "last_action"  # the network's last output, after the clip, (N, actuators)
CONTROL_STEP = "control_step"  # control periods since the policy started, (N, 1), exact to 2^24
DEFAULT_TARGET = "default_target"  # actuator targets at action 0, (N, actuators)
# Signals of the robot's sensors that fusion and guard know by name.
JOINT_POS = "joint_pos"  # rad, in the order of the robot's joints
JOINT_VEL = "joint_vel"  # rad/s
IMU_GYRO = "imu_gyro"  # rad/s, mean since the last sample
IMU_ACCEL = "imu_accel"  # specific force, m/s^2, mean since the last sample
IMU_BURST = "imu_burst"  # k x (gyro, accel) at equal steps since the last sample, oldest first
IMU_READING = 6  # entries of one reading in a burst
JOINT_TORQUE = "joint_torque"  # Nm of each actuator, in the order of `joint_pos`
FOOT_FORCE = "foot_force"  # N under each sole, in the order of the robot's legs
WHEEL_SPEED = "wheel_speed"  # rad/s, in the order of the estimator's wheels
STEERING_ANGLE = "steering_angle"  # rad
LIDAR = "lidar"  # m, of each beam
GNSS_POSITION = "gnss_position"  # m, world; the last fix, NaN before the first
GNSS_VELOCITY = "gnss_velocity"  # m/s, world
RESTARTS = "restarts"  # how often the robot was put back on its feet, or on its track
# Signals that fusion provides.
ATTITUDE = "attitude"  # body to world, wxyz; its yaw is arbitrary without a magnetometer
POSITION = "position"  # of the IMU, m, world
BASE_VELOCITY = "base_velocity"  # of the IMU, m/s, in the body frame
