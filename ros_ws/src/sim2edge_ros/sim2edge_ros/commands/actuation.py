"""Publishes actuator commands as the messages that the controllers of ros2_control take."""

import array
import math
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.loop.handover import LatestValue
from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.robot.robot import ActuatorCommand, Mode
from edge_runtime.signals import Array
from sim2edge_ros.messages import cdr, topics
from sim2edge_ros.messages.publishers import publishers


class CommandPublisher:
    """Publishes commands to the controllers that have subscribed.

    Targets go to `forward_position_controller` and `forward_velocity_controller`; gains, which a
    damped robot needs, to `forward_stiffness_controller` and `forward_damping_controller`. A robot
    with position actuators alone is also served through `joint_trajectory_controller`, a car also
    through `ackermann_steering_controller`.

    Args:
        node: the node that owns the publishers.
        actuators: the robot's actuators, in its order.
        period: s, period of the control loop.
        wheeled: geometry of a car, from which speed and yaw rate of its reference are computed.
        base_frame: frame of that reference.
    """

    def __init__(
        self,
        node: Node,
        actuators: tuple[Actuator, ...],
        period: float,
        wheeled: WheeledRobotConfig | None,
        base_frame: str,
    ) -> None:
        self._node, self._wheeled = node, wheeled
        self.pending: LatestValue[ActuatorCommand | None] = LatestValue(None)
        self._sent: ActuatorCommand | None = None
        is_position = np.array([a.mode == POSITION for a in actuators])
        self._position = np.flatnonzero(is_position)
        self._velocity = np.flatnonzero(~is_position)
        self.published = 0
        self._gains, self._gains_every = b"", max(1, round(0.1 / period))  # commands
        self._publishers: dict[str, Any] = {}
        self._listeners: dict[str, bool] = {}
        self.ids: dict[str, bytes] = {}  # of the publishers, by topic
        make = self._make_publisher
        if len(self._position):
            make(topics.POSITION, Float64MultiArray)
        if len(self._velocity):
            make(topics.VELOCITY, Float64MultiArray)
        make(topics.STIFFNESS, Float64MultiArray)
        make(topics.DAMPING, Float64MultiArray)
        if not len(self._velocity):
            make(topics.TRAJECTORY, JointTrajectory)
        if wheeled is not None and len(self._velocity) == 1 and len(self._position) == 1:
            make(topics.ACKERMANN, TwistStamped)
        self._trajectory = JointTrajectory(joint_names=[a.name for a in actuators])
        nanoseconds = round(period * 1e9)
        self._point = JointTrajectoryPoint()
        self._point.time_from_start.sec = nanoseconds // 1_000_000_000
        self._point.time_from_start.nanosec = nanoseconds % 1_000_000_000
        self._twist = TwistStamped()
        self._twist.header.frame_id = base_frame

    @property
    def topics(self) -> tuple[str, ...]:
        """Returns the topics on which commands are published."""
        return tuple(self._publishers)

    @property
    def has_listeners(self) -> bool:
        """Returns whether any controller's subscription has been found."""
        return any(p.get_subscription_count() for p in self._publishers.values())

    def put(self, command: ActuatorCommand) -> None:
        """Takes a command over, in the loop's thread; its arrays are copied."""
        sequence, mode, target, stiffness, damping = command
        self.pending.put(
            ActuatorCommand(sequence, mode, target.copy(), stiffness.copy(), damping.copy())
        )

    def look_for_listeners(self) -> None:
        """Finds out which topics have subscribers, so that no other message is built; once a second
        is enough."""
        for topic, publisher in self._publishers.items():
            self._listeners[topic] = publisher.get_subscription_count() > 0

    def send(self) -> None:
        """Publishes the newest command, in the publisher's thread.

        Gains go first, so that a target is never followed with the gains of an earlier command. As
        long as the policy drives with the same gains, they are repeated ten times a second, for a
        driver that was restarted.
        """
        command = self.pending.get()
        if command is None or command is self._sent:
            return
        self._sent = command
        gains = command.stiffness.tobytes() + command.damping.tobytes()
        due = self.published % self._gains_every == 0
        if due or gains != self._gains or command.mode is not Mode.RUN:
            self._gains = gains
            self._send_array(topics.STIFFNESS, command.stiffness)
            self._send_array(topics.DAMPING, command.damping)
        self._send_array(topics.VELOCITY, command.target[self._velocity])
        self._send_array(topics.POSITION, command.target[self._position])
        if self._listeners.get(topics.TRAJECTORY):
            self._point.positions = array.array("d", command.target.tolist())
            self._trajectory.points = [self._point]
            self._publishers[topics.TRAJECTORY].publish(self._trajectory)
        if self._listeners.get(topics.ACKERMANN):
            self._send_twist(command)
        self.published += 1

    def close(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        self._listeners.clear()

    def _make_publisher(self, topic: str, kind: Any) -> None:
        before = publishers(self._node, topic)
        self._publishers[topic] = self._node.create_publisher(kind, topic, topics.COMMAND)
        me = self._node.get_fully_qualified_name()
        # rclpy does not say which id a publisher has; this process sees its own at once.
        for each, name in publishers(self._node, topic).items():
            if name == me and each not in before:
                self.ids[topic] = each
        self._listeners[topic] = True  # until `look_for_listeners` has counted them

    def _send_array(self, topic: str, values: Array) -> None:
        if self._listeners.get(topic):
            self._publishers[topic].publish(cdr.pack_array(values))

    def _send_twist(self, command: ActuatorCommand) -> None:
        assert self._wheeled is not None
        speed = float(command.target[self._velocity[0]]) * self._wheeled.wheel_radius
        steering = float(command.target[self._position[0]])
        self._twist.header.stamp = self._node.get_clock().now().to_msg()
        self._twist.twist.linear.x = speed
        self._twist.twist.angular.z = speed * math.tan(steering) / self._wheeled.estimator.wheelbase
        self._publishers[topics.ACKERMANN].publish(self._twist)
