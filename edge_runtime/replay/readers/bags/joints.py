"""Reads a robot's wheels and feet from its joint states and the wrenches of its soles."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.legged.contact import ContactProbability
from edge_runtime.fusion.legged.kinematics import LegKinematics
from edge_runtime.fusion.measurement import Feet, Measurement, Wheels
from edge_runtime.replay.readers.assembly import Readings
from edge_runtime.replay.readers.bags.bag_reader import BagReader
from edge_runtime.replay.readers.bags.messages import JOINTS, WRENCH
from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.signals import Float

_OPTION = "--topics.joints"


class JointMeasurements(Protocol):
    """Makes measurements of joint states, message by message."""

    topics: tuple[str, ...]

    def take(self, topic: str, order: int, stamp: int, content: Any) -> None:
        """Takes a message of one of the topics; `stamp` in ns."""
        ...

    def readings(self) -> Readings:
        """Returns the measurements."""
        ...


class _Rows:
    """Collects the measurements of joint states that name some joints."""

    def __init__(self, topic: str, joints: Sequence[str]) -> None:
        self.topic = topic
        self._joints = joints
        self._names: list[str] = []
        self._places: list[int] | None = None
        self._stamp: list[int] = []
        self._order: list[int] = []
        self._rows: list[Float] = []

    def places(self, names: list[str]) -> list[int] | None:
        """Returns where the joints stand in a message; None if it is one of other joints."""
        if names != self._names:
            self._names = names
            known = all(joint in names for joint in self._joints)
            self._places = [names.index(joint) for joint in self._joints] if known else None
        return self._places

    def add(self, order: int, stamp: int, row: Float) -> None:
        self._stamp.append(stamp)
        self._order.append(order)
        self._rows.append(row)

    def readings(self, make: Any, path: Any) -> Readings:
        """Returns what was collected.

        Raises:
            UserError: no message had the joints.
        """
        if not self._rows and self._places is not None:
            raise UserError(
                f"'{self.topic}' of '{path}' gives the joints {', '.join(self._joints)} without "
                "their velocities or positions; record both"
            )
        if not self._rows:
            raise UserError(
                f"'{self.topic}' of '{path}' never gives the joints {', '.join(self._joints)} of "
                f"the robot file; it has {', '.join(self._names)}"
            )
        order = np.array(self._order, np.int64)
        return Readings(np.array(self._stamp, np.int64), np.array(self._rows), order, make)


class WheelJoints:
    """Reads the speeds of a car's wheels and its steering angle.

    Args:
        bag: that has them.
        topic: the topic of the joint states; empty for the only one.
        robot: names of the joints, and the wheels' radius.

    Raises:
        UserError: the bag has no such topic.
    """

    def __init__(self, bag: BagReader, topic: str, robot: RobotFile) -> None:
        wheeled = robot.description.wheeled
        assert wheeled is not None, "the robot has no wheels"
        self._radius, self._bag = wheeled.wheel_radius, bag
        self._steering = bool(robot.steering_joint)
        steering = (robot.steering_joint,) if self._steering else ()
        topic = _joint_states(bag, topic)
        self._rows = _Rows(topic, (*robot.wheel_joints, *steering))
        self.topics: tuple[str, ...] = (topic,)

    def take(self, topic: str, order: int, stamp: int, content: Any) -> None:
        places = self._rows.places(content.name)
        complete = len(content.velocity) == len(content.name)
        if self._steering:
            complete = complete and len(content.position) == len(content.name)
        if places is None or not complete:
            return
        speed = self._radius * np.asarray(content.velocity, np.float64)[places]
        if self._steering:
            speed[-1] = content.position[places[-1]]
        self._rows.add(order, stamp, speed)

    def readings(self) -> Readings:
        return self._rows.readings(self._make, self._bag.path)

    def _make(self, stamp: float, values: Float) -> Measurement:
        return (
            Wheels(stamp, values[:-1], float(values[-1]))
            if self._steering
            else Wheels(stamp, values, 0.0)
        )


class LegJoints:
    """Reads where the feet are by the legs' joints, and which stand by the wrenches of the soles.

    Args:
        bag: that has them.
        topic: the topic of the joint states; empty for the only one.
        robot: the legs, and the names of the feet.

    Raises:
        UserError: the bag has no such topics.
    """

    def __init__(self, bag: BagReader, topic: str, robot: RobotFile) -> None:
        legged = robot.description.legged
        assert legged is not None, "the robot has no legs"
        self._bag = bag
        self._legs = LegKinematics(legged.legs, robot.description.joint_names)
        count = len(legged.legs)
        self._contact = ContactProbability(legged.contact, count)
        self._force = [float("nan")] * count
        self._foot = {_wrench(bag, foot): place for place, foot in enumerate(robot.feet)}
        if len(self._foot) != count:
            raise UserError(
                f"the robot file names {len(self._foot)} feet for {count} legs; which feet "
                "stand is read from a topic <foot>/wrench of each"
            )
        topic = _joint_states(bag, topic)
        self._rows = _Rows(topic, robot.description.joint_names)
        self.topics: tuple[str, ...] = (topic, *self._foot)

    def take(self, topic: str, order: int, stamp: int, content: Any) -> None:
        foot = self._foot.get(topic)
        if foot is not None:
            self._force[foot] = float(content.wrench.force.z)
            return
        places = self._rows.places(content.name)
        if places is None or len(content.position) != len(content.name):
            return
        angles = np.asarray(content.position, np.float32)[places]
        points = self._legs.move(angles)
        stands = self._contact.update(self._force)[self._legs.leg_of_point]
        self._rows.add(order, stamp, np.concatenate([points.ravel(), stands]))

    def readings(self) -> Readings:
        return self._rows.readings(self._make, self._bag.path)

    def _make(self, stamp: float, values: Float) -> Measurement:
        points = len(self._legs.positions)
        return Feet(stamp, values[: 3 * points].reshape(points, 3), values[3 * points :])


def _joint_states(bag: BagReader, named: str) -> str:
    if named:
        return bag.find(named, (JOINTS,), _OPTION)
    found = bag.of_types((JOINTS,))
    if len(found) != 1:
        several = f"several, {', '.join(found)}: choose one with {_OPTION}"
        has = several if found else f"none; it has {bag.listed()}"
        raise UserError(f"the robot's joints are read from a sensor_msgs/JointState, and "
                        f"'{bag.path}' has {has}")  # fmt: skip
    return found[0]


def _wrench(bag: BagReader, foot: str) -> str:
    found = [t for t in bag.of_types(WRENCH) if t.strip("/").endswith(f"{foot}/wrench")]
    if len(found) != 1:
        raise UserError(
            f"'{bag.path}' has {len(found)} topics '{foot}/wrench' (geometry_msgs/WrenchStamped), "
            f"by which the foot stands; it has {bag.listed()}"
        )
    return found[0]
