"""Commands are received in the type in which they are published, also after it changes."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.duration import Duration
from rclpy.node import Node

from edge_runtime.policy.contract import Command
from sim2edge_ros.commands.cmd_vel import AUTO, CmdVel
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.spin import spin

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


@pytest.fixture
def asked() -> list[list[float]]:
    """Commands that the policy was asked to follow."""
    return []


@pytest.fixture
def command(node: Any, asked: list[list[float]]) -> Iterator[CmdVel]:
    with closing(
        CmdVel(node, COMMANDS, AUTO, "twist", 0.2, lambda v: asked.append(v.tolist()))
    ) as made:
        yield made


def twist(forward: float, turn: float = 0.0) -> Twist:
    message = Twist()
    message.linear.x, message.angular.z = forward, turn
    return message


def stamped(node: Any, age: float) -> TwistStamped:
    """A command that was sent some seconds ago."""
    message = TwistStamped(twist=twist(0.5))
    message.header.stamp = (node.get_clock().now() - Duration(seconds=age)).to_msg()
    return message


def test_a_command_beyond_the_policys_range_is_clipped_and_reported(
    command: CmdVel, asked: list[list[float]]
) -> None:
    command._take(twist(3.0))
    assert command.complaint == "linear.x 3 is clipped to -1 to 1 m/s, the policy's range"
    assert asked == [[3.0, 0.0]], "the controller clips it"
    command._take(twist(0.5))
    assert command.complaint == ""


def test_a_command_that_is_not_finite_is_refused(command: CmdVel, asked: list[list[float]]) -> None:
    command._take(twist(0.5, math.nan))
    assert command.complaint == "angular.z is not a number"
    assert asked == []
    assert command.rejected == 1


@pytest.mark.parametrize(("age", "reported"), [(3.0, "s old"), (-3600.0, "s ahead")])
def test_a_command_of_another_time_is_refused_and_one_without_a_stamp_accepted(
    node: Any, command: CmdVel, asked: list[list[float]], age: float, reported: str
) -> None:
    command._take(stamped(node, age))
    assert f"{reported}, more than cmd_vel_timeout" in command.complaint
    assert asked == []
    command._take(stamped(node, 0.05))
    command._take(TwistStamped(twist=twist(0.25)))
    assert asked == [[0.5, 0.0], [0.25, 0.0]]
    assert command.complaint == ""


def test_zero_velocity_is_asked_for_once_when_commands_cease(
    command: CmdVel, asked: list[list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of the system's clock meanwhile has no influence."""
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    command._take(twist(3.0))
    for after, zeros in ((0.1, 0), (0.25, 1), (0.5, 1)):
        monkeypatch.setattr(time, "monotonic", lambda after=after: now + after)
        command.check_timeout()
        assert asked.count([0.0, 0.0]) == zeros
        assert command.complaint
    monkeypatch.setattr(time, "monotonic", lambda: now + 3.0)
    command.check_timeout()
    assert command.complaint == "", "what ceased is no trouble any more"


def follow(command: CmdVel, operator: Operator, received: Callable[[], bool]) -> None:
    """Look for publishers, as once a second, until commands are received."""
    end = time.monotonic() + 60.0
    while not received():
        assert time.monotonic() < end, command.kind
        command.follow_publishers()
        command.check_timeout()
        operator.speak()
        time.sleep(0.05)


@pytest.mark.slow  # three participants that must discover each other
def test_the_type_is_the_publishers(node: Any) -> None:
    asked: list[list[float]] = []
    command = CmdVel(node, COMMANDS, AUTO, "twist", 60.0, lambda v: asked.append(v.tolist()))
    spin(node, "executor")
    for number, kind in enumerate((TwistStamped, Twist, TwistStamped), start=1):
        operator = Operator(kind, 0.25 * number)
        follow(command, operator, lambda number=number: [0.25 * number, -0.5] in asked)
        operator.leave()
    command.close()


@pytest.mark.slow
def test_a_subscription_is_retried_while_the_topic_has_another_type(node: Any) -> None:
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


def test_a_second_type_on_the_topic_is_named(node: Any, command: CmdVel) -> None:
    twists = node.create_publisher(Twist, topics.CMD_VEL, 10)
    command.follow_publishers()
    assert command.mixed == ""
    other = Operator(TwistStamped, 0.5)
    until = time.monotonic() + 20.0
    while not command.mixed and time.monotonic() < until:
        command.follow_publishers()
        time.sleep(0.02)
    assert command.mixed == "geometry_msgs/msg/TwistStamped is published there too, and not heard"
    assert command.kind == "twist", "what was heard first is heard on"
    other.leave()
    node.destroy_publisher(twists)
