"""Receives the commands of ros2_control's controllers for the simulated robot."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from edge_runtime.errors import UserError
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.loop.handover import LatestValue
from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.robot.robot import ActuatorCommand, Mode
from edge_runtime.signals import Array
from sim2edge_ros.messages import cdr, topics
from sim2edge_ros.messages.subscriber_thread import SubscriberThread
from sim2edge_ros.sensors.readers import BadMessage

_AGAIN = 5.0  # s after which a refused message is reported again
FORWARD, ACKERMANN, JOINT_TRAJECTORY = "forward", "twist", "trajectory"


class CommandSubscriber:
    """Acts as drivers and controllers do on command topics.

    A message of the wrong length, for other joints or with NaN is refused and reported. Gains hold
    until others come; at first they are the robot's own.

    Args:
        node: the node that owns the subscriptions; messages are received in a thread of their own.
        actuators: the robot's actuators, in its order.
        interface: "forward", "trajectory" or "twist".
        wheeled: geometry of a car, for "twist".

    Raises:
        UserError: the robot has no such interface.
    """

    def __init__(
        self,
        node: Node,
        actuators: tuple[Actuator, ...],
        interface: str,
        wheeled: WheeledRobotConfig | None,
    ) -> None:
        self._node, self._actuators, self._wheeled = node, actuators, wheeled
        self._subscriber_thread = SubscriberThread(node, "commands")
        is_position = np.array([a.mode == POSITION for a in actuators])
        self._groups = {
            topics.POSITION: np.flatnonzero(is_position),
            topics.VELOCITY: np.flatnonzero(~is_position),
            topics.STIFFNESS: np.arange(len(actuators)),
            topics.DAMPING: np.arange(len(actuators)),
        }
        self._target = np.array([a.default for a in actuators], np.float32)
        self._stiffness = np.array([a.stiffness for a in actuators], np.float32)
        self._damping = np.array([a.damping for a in actuators], np.float32)
        self._has_stiffness = self._stiffness.any()
        self._newest: LatestValue[ActuatorCommand | None] = LatestValue(None)
        self._taken: ActuatorCommand | None = None
        self.commanded_at = -math.inf  # s on the monotonic clock, when the last command came
        self._subscribe(interface)
        self._subscriber_thread.start()

    def close(self) -> None:
        """Receives no more commands."""
        self._subscriber_thread.close()

    @property
    def has_commander(self) -> bool:
        """Returns whether some node publishes a command that moves the robot."""
        count, resolve = self._node.count_publishers, self._node.resolve_topic_name
        return any(count(resolve(topic)) for topic in topics.MOVING)

    def command(self) -> ActuatorCommand | None:
        """Returns the newest command, once; for the thread that steps the robot."""
        newest = self._newest.get()
        if newest is self._taken:
            return None
        self._taken = newest
        return newest

    def _subscribe(self, interface: str) -> None:
        has_velocity = len(self._groups[topics.VELOCITY]) > 0
        for topic in (topics.STIFFNESS, topics.DAMPING):  # gains are sent before the targets
            self._listen(Float64MultiArray, topic, self._gains(topic))
        if interface == FORWARD:
            for topic in (topics.VELOCITY, topics.POSITION):
                if len(self._groups[topic]):
                    self._listen(Float64MultiArray, topic, self._targets(topic))
        elif interface == JOINT_TRAJECTORY and not has_velocity:
            self._listen(JointTrajectory, topics.TRAJECTORY, self._take_trajectory)
        elif interface == ACKERMANN and self._wheeled is not None:
            self._listen(TwistStamped, topics.ACKERMANN, self._take_twist)
        else:
            raise UserError(
                f"parameter 'interface' is '{interface}', which this robot does not have; "
                f"there is {FORWARD}, {JOINT_TRAJECTORY} for joints and {ACKERMANN} for a car"
            )

    def _listen(self, kind: Any, topic: str, take: Callable[[bytes], None]) -> None:
        def guarded(data: bytes, number: int | None) -> None:
            try:
                take(cdr.plain(data, kind))
            except Exception as error:  # no message, whatever it holds, may end the thread
                self._node.get_logger().warning(
                    f"{topic}: refused, {error}", throttle_duration_sec=_AGAIN
                )

        self._subscriber_thread.subscribe(kind, topic, guarded, topics.COMMAND)

    def _gains(self, topic: str) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            values = self._good(topic, cdr.unpack_array(data))
            if topic == topics.STIFFNESS:
                self._stiffness = values
            else:
                self._damping = values

        return take

    def _targets(self, topic: str) -> Callable[[bytes], None]:
        # A robot with both kinds of actuators moves on the last of the two messages.
        last = topics.POSITION if len(self._groups[topics.POSITION]) else topics.VELOCITY

        def take(data: bytes) -> None:
            self._target[self._groups[topic]] = self._good(topic, cdr.unpack_array(data))
            if topic == last:
                self._put()

        return take

    def _take_trajectory(self, data: bytes) -> None:
        message = deserialize_message(data, JointTrajectory)
        names = [a.name for a in self._actuators]
        given, points = list(message.joint_names), list(message.points)
        if sorted(given) != sorted(names):
            raise BadMessage(f"its joints are {given}, the robot's are {names}")
        if not points:
            raise BadMessage("it has no points")
        values = self._good(topics.STIFFNESS, points[-1].positions)
        self._target[:] = values[[given.index(name) for name in names]]
        self._put()

    def _take_twist(self, data: bytes) -> None:
        assert self._wheeled is not None
        message = deserialize_message(data, TwistStamped)
        speed, turn = message.twist.linear.x, message.twist.angular.z
        if not math.isfinite(speed + turn):
            raise BadMessage("a value in it is not a number")
        steering = self._groups[topics.POSITION]
        if speed != 0.0:  # at a standstill the wheels keep their angle
            wheelbase = self._wheeled.estimator.wheelbase
            self._target[steering] = math.atan(wheelbase * turn / speed)
        self._target[self._groups[topics.VELOCITY]] = speed / self._wheeled.wheel_radius
        self._put()

    def _good(self, topic: str, data: Any) -> Array:
        values, wanted = np.asarray(data, np.float32), len(self._groups[topic])
        if len(values) != wanted:
            raise BadMessage(f"{len(values)} numbers, the robot has {wanted}")
        if not np.isfinite(values).all():
            raise BadMessage(f"value {int(np.argmin(np.isfinite(values)))} is not a number")
        return values

    def _put(self) -> None:
        limp = self._has_stiffness and not self._stiffness.any()
        mode = Mode.DAMP if limp else Mode.RUN
        self.commanded_at = time.monotonic()
        self._newest.put(
            ActuatorCommand(0, mode, self._target.copy(), self._stiffness, self._damping)
        )
