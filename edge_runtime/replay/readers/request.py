"""Declares what a user says of a recording that does not say it itself."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.errors import UserError
from edge_runtime.rotations import multiply, rotation_matrix
from edge_runtime.signals import Float

NONE = "none"


@dataclass(frozen=True)
class TopicsConfig:
    """Names the topics of a bag that are read; 'none' leaves a sensor out."""

    imu: str = ""
    """sensor_msgs/Imu; by default the only one."""
    magnetometer: str = ""
    """sensor_msgs/MagneticField or geometry_msgs/Vector3Stamped; by default the only MagneticField,
    or the one beside the IMU."""
    wheels: str = ""
    """nav_msgs/Odometry or geometry_msgs/TwistStamped, with covariance or without, of the wheels
    alone: its speed forwards and its turn rate are read. Without --robot they may slip."""
    gnss: str = ""
    """sensor_msgs/NavSatFix; read for a robot on wheels."""
    gnss_velocity: str = ""
    """geometry_msgs/TwistStamped of the receiver, east-north-up, with covariance or without."""
    joints: str = ""
    """sensor_msgs/JointState of the robot that --robot describes; by default the only one."""
    reference: str = ""
    """The truth, as nav_msgs/Odometry, geometry_msgs/PoseStamped or TransformStamped; by default
    the only one whose name says so: ground_truth, mocap, vicon, optitrack,
    qualisys."""


@dataclass(frozen=True)
class ColumnsConfig:
    """Names columns of a table or arrays of a MATLAB, HDF5 or NumPy file.

    Each sensor is three columns or one array of three; columns without names are 1, 2, 3.
    """

    time: str = ""
    """Time of each row; by default the column named time, timestamp or the like."""
    gyro: tuple[str, ...] = ()
    """Gyroscope x, y, z."""
    accel: tuple[str, ...] = ()
    """Accelerometer x, y, z, with gravity."""
    magnetometer: tuple[str, ...] = ()
    """Magnetometer x, y, z; 'none' leaves it out."""
    reference: tuple[str, ...] = ()
    """True attitude as a quaternion w, x, y, z, body to world."""


@dataclass(frozen=True)
class UnitsConfig:
    """Says units that a recording does not say, or says wrongly."""

    time: Literal["", "s", "ms", "us", "ns"] = ""
    """Unit of the times of a table."""
    gyro: Literal["", "rad/s", "deg/s"] = ""
    """Unit of the gyroscope."""
    accel: Literal["", "m/s^2", "g", "mg"] = ""
    """Unit of the accelerometer."""


@dataclass(frozen=True)
class ReadRequest:
    """Says what a recording of others does not say of itself."""

    robot: str = ""
    """The robot that a bag is of: 'differential' or 'skid' for wheels that do not steer, 'car', or
    a robot file (.json) of the ROS nodes, by path or name."""
    imu_to_body: tuple[float, ...] = ()
    """Rotation from the IMU's axes to the body's (x forward, y left, z up): roll, pitch and yaw in
    degrees, a quaternion w x y z, or a matrix row by row; EuRoC's is in its sensor.yaml."""
    rate: float = setting(0.0, "Readings a second of a table without times.", unit="Hz", at_least=0)
    skip: float = setting(
        0.0, "Seconds to leave out at the beginning.", unit="s", at_least=0, at_most=LONGEST
    )
    topics: TopicsConfig = TopicsConfig()
    columns: ColumnsConfig = ColumnsConfig()
    units: UnitsConfig = UnitsConfig()
    estimator: str = ""  # that is asked for

    @property
    def rotation(self) -> Float | None:
        """Returns the rotation from the IMU to the body, (3, 3), if one is asked for.

        Raises:
            UserError: it is none.
        """
        return rotation_of(self.imu_to_body) if self.imu_to_body else None

    def refuse_unused(self, path: Path, what: str, takes: Collection[str]) -> None:
        """Refuses options for which a format has no use.

        Args:
            path: the recording.
            what: it is.
            takes: the names of the options that it has a use for.

        Raises:
            UserError: another one is set.
        """
        for of in fields(self):
            if of.name in takes or of.name == "estimator":
                continue
            if getattr(self, of.name) != getattr(NOTHING, of.name):
                option = of.name.replace("_", "-")
                raise UserError(f"'{path}' is {what}, which takes no --{option}; leave it out")


NOTHING = ReadRequest()
"""Asks for nothing: the recording says all that it must."""


def rotation_of(numbers: Sequence[float]) -> Float:
    """Returns the rotation, (3, 3), of roll, pitch and yaw in degrees, of a quaternion or a matrix.

    Raises:
        UserError: it is none of them.
    """
    values = np.array(numbers, np.float64)
    if values.size == 3:
        half = np.radians(values) / 2
        roll, pitch, yaw = np.zeros((3, 1, 4))
        for axis, turn in enumerate((roll, pitch, yaw)):
            turn[0, 0], turn[0, 1 + axis] = math.cos(half[axis]), math.sin(half[axis])
        matrix = rotation_matrix(multiply(multiply(yaw, pitch), roll))[0]
    elif values.size == 4:
        matrix = rotation_matrix((values / (np.linalg.norm(values) or 1.0))[None])[0]
    elif values.size == 9:
        matrix = values.reshape(3, 3)
    else:
        matrix = np.zeros((3, 3))
    if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) or np.linalg.det(matrix) < 0.0:
        raise UserError(
            "the rotation from the IMU to the body is no rotation; give roll, pitch and yaw in "
            "degrees, a quaternion w x y z, or the nine numbers of a matrix row by row"
        )
    return matrix
