"""Commands are heard in whichever type they are published, also when it becomes another."""

import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install 'sim2edge[ros]'")

import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node

from edge_runtime.contract import Command
from sim2edge_ros.commands.cmd_vel import AUTO, CmdVel
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.spin import spin

pytestmark = pytest.mark.slow  # three participants that must discover each other

COMMANDS = (Command("forward", "m/s", -1.0, 1.0), Command("yaw_rate", "rad/s", -1.0, 1.0))


class Operator:
    """Publishes one type of command, in a participant of its own."""

    def __init__(self, kind: Any, speed: float) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._publisher = Node("operator", context=self._context).create_publisher(
            kind, topics.CMD_VEL, 10
        )
        self._message = kind()
        twist = self._message.twist if kind is TwistStamped else self._message
        twist.linear.x, twist.angular.z = speed, -0.5

    def speak(self) -> None:
        self._publisher.publish(self._message)

    def leave(self) -> None:
        rclpy.shutdown(context=self._context)


def follow(command: CmdVel, operator: Operator, heard: Callable[[], bool]) -> None:
    """Look for publishers, as once a second, until commands are heard."""
    end = time.monotonic() + 60.0
    while not heard():
        assert time.monotonic() < end, command.kind
        command.follow_publishers()
        operator.speak()
        time.sleep(0.05)


def test_the_type_is_that_of_who_publishes(node: Any) -> None:
    asked: list[list[float]] = []
    command = CmdVel(node, COMMANDS, AUTO, "twist", 60.0, lambda v: asked.append(v.tolist()))
    spin(node, "executor")
    for number, kind in enumerate((TwistStamped, Twist, TwistStamped), start=1):
        operator = Operator(kind, 0.25 * number)
        follow(command, operator, lambda number=number: [0.25 * number, -0.5] in asked)
        operator.leave()
    command.close()


def test_where_the_type_is_still_taken_it_is_tried_again(node: Any) -> None:
    """A subscription lives until its executor lets go of it, and DDS has one type for a name."""
    asked: list[list[float]] = []
    taken = node.create_subscription(Twist, topics.CMD_VEL, lambda message: None, 10)
    command = CmdVel(
        node, COMMANDS, "twist_stamped", "twist", 60.0, lambda v: asked.append(v.tolist())
    )
    assert command.kind == ""
    node.destroy_subscription(taken)
    spin(node, "executor")
    operator = Operator(TwistStamped, 0.25)
    follow(command, operator, lambda: [0.25, -0.5] in asked)
    operator.leave()
    command.close()
