"""Reads sensor messages as signals: names and lengths are checked, and put in the robot's order.

A reader takes a message's bytes in plain CDR. It raises `BadMessage` with one line for the
diagnostics; NaN passes, for the guard judges it.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import TwistWithCovarianceStamped
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import LaserScan, NavSatFix, NavSatStatus

from edge_runtime.fusion.geodesy import Datum, is_on_ground
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.safety.possible import check_force, check_ranges, check_receiver_velocity
from edge_runtime.signals import (
    GNSS_POSITION,
    GNSS_VELOCITY,
    JOINT_POS,
    JOINT_TORQUE,
    JOINT_VEL,
    LIDAR,
    STEERING_ANGLE,
    WHEEL_SPEED,
    Array,
)
from sim2edge_ros.messages import cdr

_FIELDS = ("position", "velocity", "effort")  # fields of a sensor_msgs/JointState after the names
_ONE_BEAM = 1.01  # angle in increments by which a scan's three angles may disagree
_NO_ECHO_SHARE = 0.1  # share of a scan's beams that may be NaN; they count as beams without an echo
_FARTHEST = 100e3  # m from the datum, to which the local frame's plane is a good map


class BadMessage(Exception):  # noqa: N818  the message is bad, not the program
    """Says why a message cannot be used."""


class OthersMessage(Exception):  # noqa: N818  it is no error
    """Marks a message for another receiver of the same topic, which counts as none; its arguments
    are the names of the joints."""


class ImuReader:
    """Reads gyroscope and accelerometer, (6,), from a sensor_msgs/Imu.

    Args:
        frame: the robot file's frame of the IMU, which a namespace may precede.
    """

    def __init__(self, frame: str) -> None:
        self._frame = frame
        self._found = b""  # bytes of the frame's name in the last message
        self.remark = ""  # what is unusual, but works

    def __call__(self, data: bytes) -> npt.NDArray[np.float64]:
        """Returns angular rate in rad/s and specific force in m/s^2.

        Raises:
            BadMessage: the message says that it has none of them (REP-145).
        """
        numbers = cdr.imu(data)
        # A negative first covariance means that the value is missing
        if numbers[16] < 0 or numbers[28] < 0:
            raise BadMessage("it says that it measures no angular velocity or no acceleration")
        if not (self._found and data.startswith(self._found, cdr.FRAME)):
            self._look_at_frame(data)
        return np.array(numbers[13:16] + numbers[25:28])

    def _look_at_frame(self, data: bytes) -> None:
        frame, end = cdr.string(data, cdr.FRAME)
        self._found = data[cdr.FRAME : end]
        fits = frame.split("/")[-1] == self._frame.split("/")[-1]
        self.remark = "" if fits else f"its frame is '{frame}', the robot file has '{self._frame}'"


class JointReader:
    """Reads joints, wheels and steering by name from a sensor_msgs/JointState.

    A message with joints of others alone, such as that of a gripper's driver, is ignored.

    Args:
        robot: names of the joints.
        signals: the signals that are needed.
    """

    def __init__(self, robot: RobotFile, signals: frozenset[str]) -> None:
        description = robot.description
        joints = description.joint_names
        wanted = (
            (JOINT_POS, "position", joints),
            (JOINT_VEL, "velocity", joints),
            (JOINT_TORQUE, "effort", joints),
            (WHEEL_SPEED, "velocity", robot.wheel_joints),
            (STEERING_ANGLE, "position", (robot.steering_joint,)),
        )
        self._wanted = [row for row in wanted if row[0] in signals]
        self._needed = {name for _signal, _field, names in self._wanted for name in names}
        self._known = self._needed.union(
            joints, robot.wheel_joints, robot.passive_joints, [robot.steering_joint]
        )
        self._names = b""  # bytes of the names in the last valid message
        self._count = 0
        self._fields: set[str] = {field for _signal, field, _names in self._wanted}
        ends = np.cumsum([0, *(len(names) for _signal, _field, names in self._wanted)]).tolist()
        self._parts = [
            (row[0], slice(*part)) for row, part in zip(self._wanted, pairwise(ends), strict=True)
        ]
        self._index: npt.NDArray[np.intp] = np.zeros(0, np.intp)

    @classmethod
    def reads(cls, signals: frozenset[str]) -> bool:
        """Returns whether any of these signals comes from `joint_states`."""
        return bool(signals & {JOINT_POS, JOINT_VEL, JOINT_TORQUE, WHEEL_SPEED, STEERING_ANGLE})

    def __call__(self, data: bytes) -> Mapping[str, Array]:
        at = cdr.offset_after_header(data, 4)
        if not (self._names and data.startswith(self._names, at)):
            names, end = cdr.strings(data, at)
            self._bind(names)
            self._names, self._count = data[at:end], len(names)
        at += len(self._names)
        found = []
        for field in _FIELDS:
            numbers, at = cdr.doubles(data, at)
            if field in self._fields:
                if len(numbers) != self._count:
                    raise BadMessage(
                        f"{len(numbers)} entries in '{field}' for {self._count} joints"
                    )
                found.append(numbers)
        values = np.concatenate(found, dtype=np.float32, casting="same_kind")[self._index]
        return {signal: values[part] for signal, part in self._parts}

    def _bind(self, names: list[str]) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        missing = sorted(self._needed.difference(names))
        extra = sorted(set(names).difference(self._known))
        if self._known.isdisjoint(names):
            raise OthersMessage(*names)
        if twice:
            raise BadMessage(f"joint {_quoted(twice)} is listed twice")
        if missing:
            raise BadMessage(f"joint {_quoted(missing)} is missing")
        if extra:
            raise BadMessage(
                f"joint {_quoted(extra)} is not one of the policy's; "
                "list it under passive_joints in the robot file if the policy does not move it"
            )
        fields = [field for field in _FIELDS if field in self._fields]
        self._index = np.array([
            fields.index(field) * len(names) + names.index(joint)
            for _signal, field, joints in self._wanted
            for joint in joints
        ], np.intp)  # fmt: skip


class ScanReader:
    """Reads ranges, right to left, from a sensor_msgs/LaserScan (REP-117).

    Args:
        description: how many beams the policy has, over which angle.
        max_range: m, the value of a beam without an echo.
    """

    def __init__(self, description: RobotDescription, max_range: float) -> None:
        self._beams = next(s.size for s in description.signals if s.name == LIDAR)
        self._max = max_range
        lidar = None if description.wheeled is None else description.wheeled.lidar
        self._view = None if lidar is None else lidar.field_of_view

    def __call__(self, data: bytes) -> Mapping[str, Array]:
        message = deserialize_message(data, LaserScan)
        ranges = np.array(message.ranges, np.float32)
        if len(ranges) != self._beams:
            raise BadMessage(f"{len(ranges)} beams, the robot file has {self._beams}")
        self._check_angles(message)
        check_ranges(ranges, self._max)
        unknown = np.isnan(ranges)
        if unknown.mean() <= _NO_ECHO_SHARE:
            ranges[unknown] = self._max
        np.clip(ranges, 0.0, self._max, out=ranges)  # REP-117: -inf too near, inf no echo
        return {LIDAR: ranges[::-1].copy() if message.angle_increment < 0 else ranges}

    def _check_angles(self, message: LaserScan) -> None:
        """Checks that the angles fit each other, to one beam, for some drivers divide the whole by
        the number of beams, and that the beams point where the policy's do, to half of one."""
        if self._beams == 1:
            return
        first, last, step = message.angle_min, message.angle_max, message.angle_increment
        off = abs((self._beams - 1) * step - (last - first))
        if not (off <= _ONE_BEAM * abs(step) < math.inf and step):
            raise BadMessage(
                f"angle_min {first:.3g}, angle_max {last:.3g} and angle_increment {step:.3g} rad "
                f"do not fit {self._beams} beams; (angle_max - angle_min) / {self._beams - 1} is "
                "from one to the next"
            )
        if self._view is None:
            return
        first, last = sorted((first, last))
        off = max(abs(first + self._view / 2), abs(last - self._view / 2))
        if off > 0.5 * self._view / (self._beams - 1):
            edge = self._view / 2
            raise BadMessage(
                f"beams from {first:.3g} to {last:.3g} rad, the robot file has "
                f"{-edge:.3g} to {edge:.3g}"
            )


def read_foot(data: bytes) -> float:
    """Reads the force along the sole's normal in N from a geometry_msgs/WrenchStamped.

    Raises:
        ImpossibleReading: no ground presses or pulls so much.
    """
    force = cdr.double(data, cdr.offset_after_header(data, 8) + 16)
    check_force(force)
    return force


class FixReader:
    """Reads a receiver's position in the local east-north-up frame from a sensor_msgs/NavSatFix.

    Args:
        datum: origin of that frame; None takes the first fix.
    """

    def __init__(self, datum: Datum | None) -> None:
        self.datum = datum

    def __call__(self, data: bytes) -> Mapping[str, Array]:
        message = deserialize_message(data, NavSatFix)
        # From Jazzy on, a driver that sets no status sends one below "no fix": unknown.
        if message.status.status == NavSatStatus.STATUS_NO_FIX:
            raise BadMessage("the receiver has no fix")
        place = message.latitude, message.longitude, message.altitude
        self._check_place(*place)
        if self.datum is None:
            self.datum = Datum(*place)
        local = self.datum.to_local(*place)
        away = math.hypot(*local)
        if away > _FARTHEST:
            raise BadMessage(
                f"the fix is {away / 1e3:.0f} km from where the robot began; restart the node if "
                "its first fix was wrong"
            )
        return {GNSS_POSITION: np.array(local, np.float32)}

    def _check_place(self, latitude: float, longitude: float, altitude: float) -> None:
        if not all(map(math.isfinite, (latitude, longitude, altitude))):
            raise BadMessage("the fix is not a number")
        shown = f"latitude {latitude:.7g}, longitude {longitude:.7g}, altitude {altitude:.4g} m"
        if not is_on_ground(latitude, longitude, altitude):
            raise BadMessage(f"{shown} is nowhere on the ground; are those degrees and m?")
        if latitude == longitude == 0.0:
            raise BadMessage(f"{shown} is what a receiver gives that has no fix yet")


def read_fix_velocity(data: bytes) -> Mapping[str, Array]:
    """Reads east, north and up, (3,) m/s, from a geometry_msgs/TwistWithCovarianceStamped.

    Raises:
        ImpossibleReading: nothing on wheels is so fast.
    """
    linear = deserialize_message(data, TwistWithCovarianceStamped).twist.twist.linear
    velocity = np.array((linear.x, linear.y, linear.z), np.float32)
    check_receiver_velocity(velocity)
    return {GNSS_VELOCITY: velocity}


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
