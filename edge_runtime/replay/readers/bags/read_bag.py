"""Makes a log of a bag: which topics are read, and what their messages say."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.geodesy import earth_centred, east_north_up
from edge_runtime.fusion.measurement import GnssFix, Measurement, Wheels
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.assembly import (
    METRES,
    RADIANS,
    Readings,
    Truth,
    assemble,
    check_accelerometer,
    make_imu,
    make_magnetometer,
    turned,
)
from edge_runtime.replay.readers.bags import messages
from edge_runtime.replay.readers.bags.bag_reader import BagReader, plain
from edge_runtime.replay.readers.bags.joints import JointMeasurements, LegJoints, WheelJoints
from edge_runtime.replay.readers.bags.messages import Take, stamp_of
from edge_runtime.replay.readers.bags.recorded_robot import TRACK, RecordedRobot, find_robot
from edge_runtime.replay.readers.recognition import Format
from edge_runtime.replay.readers.request import NONE, ReadRequest
from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import Float

_TRUE = re.compile(r"ground_?truth|mocap|vicon|optitrack|qualisys", re.IGNORECASE)
_TOGETHER = 1_000_000  # ns between a fix and its velocity, of one moment
_FIX_STD = 2.0  # m, of a fix that claims none
_FIX_UP = 2.0  # its height is worse by this


@dataclass
class _Column:
    """Collects the numbers of one topic."""

    take: Take
    stamp: list[int] = field(default_factory=list)  # ns
    order: list[int] = field(default_factory=list)
    rows: list[tuple[float, ...]] = field(default_factory=list)

    def readings(self, make: Callable[[float, Float], Measurement], width: int) -> Readings:
        values = np.array(self.rows, np.float64).reshape(len(self.rows), width)
        stamp = np.array(self.stamp, np.int64)
        return Readings(stamp, values, np.array(self.order, np.int64), make)


def read_bag(path: Path, form: Format, request: ReadRequest) -> Log:
    """Reads the sensors of a bag that the estimator takes, and the reference, if there is one.

    Args:
        path: a file, or a folder of a ROS 2 bag.
        form: ROS1 or ROS2.
        request: the topics, the robot, the estimator.

    Raises:
        UserError: the bag is damaged, or does not hold what is asked for.
    """
    robot = find_robot(request.robot)
    with BagReader(path, form) as bag:
        return _Reading(bag, request, robot).log()


class _Reading:
    """Chooses topics and reads them."""

    def __init__(self, bag: BagReader, request: ReadRequest, robot: RecordedRobot) -> None:
        self._bag, self._request, self._robot = bag, request, robot
        self._notes: list[str] = []
        topics = request.topics
        self._imu = self._choose_imu()
        wheeled = {topics.wheels, topics.gnss} - {"", NONE}
        self._estimator = request.estimator or ("wheeled" if wheeled else robot.estimator)
        self._unstamped: set[str] = set()
        self._columns: dict[str, _Column] = {self._imu: _Column(messages.imu)}
        self._field = self._fix = self._fix_velocity = self._wheels = ""
        self._joints: JointMeasurements | None = None
        if self._estimator == "attitude":
            self._field = self._choose("magnetometer", messages.FIELD, self._likely_field)
        if self._estimator == "wheeled":
            self._choose_wheels()
            self._fix = self._choose("gnss", messages.FIX)
            self._fix_velocity = self._choose("gnss_velocity", messages.FIX_VELOCITY, self._beside)
        if self._estimator == "legged":
            self._joints = LegJoints(bag, topics.joints, self._robot_with("legged"))
        self._truth = self._choose("reference", messages.POSE, self._likely_truth)
        self._refuse_unused()

    def log(self) -> Log:
        self._read()
        imu = self._columns[self._imu].readings(make_imu, 6)
        units = self._request.units
        imu.values[:, :3] *= RADIANS[units.gyro or "rad/s"]
        imu.values[:, 3:] *= METRES[units.accel or "m/s^2"]
        check_accelerometer(self._bag.path, imu.values[:, 3:], self._request)
        rotation = self._request.rotation
        sensors = [replace(imu, values=turned(imu.values, rotation))]
        if self._field:
            found = self._columns[self._field].readings(make_magnetometer, 3)
            sensors.append(replace(found, values=turned(found.values, rotation)))
        if self._wheels:
            sensors.append(self._columns[self._wheels].readings(_make_wheels, 2))
        if self._fix:
            sensors.append(self._fixes())
        if self._joints is not None:
            sensors.append(self._joints.readings())
        config = self._robot.config(self._estimator, bool(self._wheels))
        truth, path, asked = self._reference(), self._bag.path, self._request
        log = assemble(path, sensors, asked, truth, self._estimator, config, self._notes)
        return replace(log, notes=(*log.notes, *self._unread()))

    def _choose_imu(self) -> str:
        bag, asked = self._bag, self._request.topics.imu
        if asked:
            return bag.find(asked, messages.IMU, "--topics.imu")
        found = bag.of_types(messages.IMU)
        if not found:
            raise UserError(
                f"'{bag.path}' has no sensor_msgs/Imu with messages, which every estimator needs; "
                f"it has {bag.listed()}"
            )
        if len(found) > 1:
            raise UserError(
                f"'{bag.path}' has {len(found)} IMUs: {', '.join(found)}; choose one with "
                f"--topics.imu {found[0]}"
            )
        return found[0]

    def _choose(
        self,
        name: str,
        types: Mapping[str, Take],
        likely: Callable[[list[str]], list[str]] = lambda found: found,
    ) -> str:
        """Returns the topic of a sensor, named or the only likely one; empty for none."""
        asked, option = getattr(self._request.topics, name), f"--topics.{name.replace('_', '-')}"
        if asked == NONE:
            return ""
        if asked:
            topic = self._bag.find(asked, types, option)
        else:
            found = likely(self._bag.of_types(types))
            if len(found) > 1:
                self._notes.append(f"not read, for there are several: {', '.join(found)}; {option}")
            topic = found[0] if len(found) == 1 else ""
        if topic in self._columns:
            raise UserError(f"{option}: '{topic}' is read as another sensor already; name another")
        if topic:
            self._columns[topic] = _Column(types[self._bag.topics[topic]])
        return topic

    def _refuse_unused(self) -> None:
        """Refuses a topic that is named and that the estimator does not take."""
        taken = {*self._columns, *(self._joints.topics if self._joints else ())}
        for of in fields(self._request.topics):
            named = getattr(self._request.topics, of.name)
            if named not in ("", NONE) and f"/{named.strip('/')}" not in {
                f"/{topic.strip('/')}" for topic in taken
            }:
                option = of.name.replace("_", "-")
                raise UserError(
                    f"estimator '{self._estimator}' takes no --topics.{option}; leave it out, or "
                    "choose another --estimator"
                )

    def _likely_field(self, found: list[str]) -> list[str]:
        """Returns the magnetometers, or the one among several that is beside the IMU."""
        found = [t for t in found if self._bag.topics[t] == "sensor_msgs/msg/MagneticField"]
        return self._beside(found) if len(found) > 1 else found

    def _beside(self, found: list[str]) -> list[str]:
        beside = (self._fix or self._imu).rpartition("/")[0]
        if self._fix:  # its velocity
            found = [t for t in found if re.search("vel", t) and t != self._wheels]
        near = [t for t in found if t.rpartition("/")[0] == beside]
        return near if len(near) == 1 else found

    def _likely_truth(self, found: list[str]) -> list[str]:
        return [topic for topic in found if _TRUE.search(topic)]

    def _likely_odometry(self, found: list[str]) -> list[str]:
        found = [t for t in found if self._bag.topics[t] == "nav_msgs/msg/Odometry"]
        return [topic for topic in found if not _TRUE.search(topic)]

    def _choose_wheels(self) -> None:
        """Chooses what counts the wheels: the robot's joints, or odometry."""
        topics = self._request.topics
        if self._robot.file is not None and not topics.wheels:
            self._joints = WheelJoints(self._bag, topics.joints, self._robot_with("wheeled"))
            return
        self._wheels = self._choose("wheels", messages.DRIVEN, self._likely_odometry)

    def _robot_with(self, part: str) -> RobotFile:
        """Returns the robot file, which must describe its legs, or its wheels.

        Raises:
            UserError: it does not, or there is none.
        """
        file = self._robot.file
        if file is None or getattr(file.description, part) is None:
            raise UserError(
                f"estimator '{part}' needs a robot file that describes what is {part}: give it "
                "with --robot FILE.json"
            )
        return file

    def _read(self) -> None:
        wanted = {*self._columns, *(self._joints.topics if self._joints else ())}
        first = True
        for order, (topic, received, m) in enumerate(self._bag.messages(wanted)):
            if topic == self._imu and first:
                first = False
                if not messages.measures_both(m):
                    raise UserError(
                        f"'{topic}' of '{self._bag.path}' says that it measures no angular "
                        "velocity or no acceleration; choose another with --topics.imu: "
                        f"{self._bag.listed()}"
                    )
            stamp = stamp_of(m)
            if not stamp:
                stamp = received
                self._unstamped.add(topic)
            column = self._columns.get(topic)
            if column is not None:
                column.stamp.append(stamp)
                column.order.append(order)
                column.rows.append(column.take(m))
            elif self._joints is not None:
                self._joints.take(topic, order, stamp, m)
        self._notes += [
            f"messages of '{topic}' are not stamped: their times of receipt are used"
            for topic in sorted(self._unstamped)
        ]

    def _fixes(self) -> Readings:
        column = self._columns[self._fix]
        rows = np.array(column.rows, np.float64).reshape(-1, 7)
        place = earth_centred(rows[:, 0], rows[:, 1], rows[:, 2])
        usable = (rows[:, 6] > 0.0) & np.isfinite(place).all(axis=1)
        if not usable.any():
            raise UserError(
                f"'{self._fix}' of '{self._bag.path}' has no fix; leave it out with "
                "--topics.gnss none"
            )
        place, origin = place[usable], place[usable][0]
        std = np.sqrt(np.where(rows[usable, 3:6] > 0.0, rows[usable, 3:6], np.nan))
        std = np.where(np.isfinite(std), std, [_FIX_STD, _FIX_STD, _FIX_STD * _FIX_UP])
        kept = np.flatnonzero(usable)
        stamp = np.array(column.stamp, np.int64)[kept]
        values = np.concatenate(
            [(place - origin) @ east_north_up(origin).T, std, self._velocity_at(stamp)], axis=1
        )
        return Readings(stamp, values, np.array(column.order, np.int64)[kept], _make_fix)

    def _velocity_at(self, stamp: Any) -> Float:
        """Returns the receiver's velocity at fixes of the same moment; NaN for others."""
        found = np.full((len(stamp), 3), np.nan)
        column = self._columns[self._fix_velocity] if self._fix_velocity else None
        if column is None or not column.rows:
            return found
        order = np.argsort(column.stamp, kind="stable")
        known = np.array(column.stamp, np.int64)[order]
        after = np.searchsorted(known, stamp).clip(max=len(known) - 1)
        before = (after - 1).clip(min=0)
        nearest = np.where(stamp - known[before] < known[after] - stamp, before, after)
        together = np.abs(known[nearest] - stamp) <= _TOGETHER
        found[together] = np.array(column.rows, np.float64)[order[nearest[together]]]
        if not together.any():
            self._notes.append(
                f"'{self._fix_velocity}' is left out: no stamp is within 1 ms of a fix's"
            )
        return found

    def _reference(self) -> Truth | None:
        if not self._truth:
            return None
        column = self._columns[self._truth]
        if not column.rows:
            return None
        rows = np.array(column.rows, np.float64).reshape(-1, 10)
        attitude, position, in_body = rows[:, :4], rows[:, 4:7], rows[:, 7:]
        velocity = np.einsum("kij,kj->ki", rotation_matrix(attitude), in_body)
        self._notes.append(f"reference: '{self._truth}'")
        return Truth(np.array(column.stamp, np.int64), attitude, velocity, position)

    def _unread(self) -> list[str]:
        """Returns a line for odometry and the like that may be worth reading."""
        kinds = {"nav_msgs/msg/Odometry", *messages.FIX}
        left = [
            f"{topic} ({plain(kind)})"
            for topic, kind in self._bag.topics.items()
            if kind in kinds and topic not in self._columns
        ]
        if not left:
            return []
        ways = "--topics.wheels, --topics.gnss or --topics.reference"
        return [f"not read: {', '.join(left)}; {ways} read one"]


def _make_wheels(stamp: float, values: Float) -> Wheels:
    """Makes the speeds of a left and a right wheel of a speed forwards and a turn rate, (2,)."""
    forwards, turning = values
    return Wheels(stamp, forwards + 0.5 * TRACK * turning * np.array([-1.0, 1.0]), 0.0)


def _make_fix(stamp: float, values: Float) -> GnssFix:
    velocity = values[6:9]
    known = bool(np.isfinite(velocity).all())
    return GnssFix(stamp, values[:3], values[3:6], velocity if known else None)
