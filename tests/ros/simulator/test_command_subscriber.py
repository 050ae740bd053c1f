"""The simulated robot accepts commands as controllers do, and reports those it refuses."""

import math
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.robot.robot import ActuatorCommand, Mode
from sim2edge_ros.messages import topics
from sim2edge_ros.simulator.command_subscriber import FORWARD, JOINT_TRAJECTORY, CommandSubscriber

NAMES = ("hip", "knee")
ACTUATORS = tuple(Actuator(name, POSITION, stiffness=40.0, damping=2.0) for name in NAMES)


class Commander:
    """Publishes commands until the robot has received one."""

    def __init__(self, node: Any, subscriber: CommandSubscriber) -> None:
        self.node, self.subscriber = node, subscriber

    def say(self, topic: str, message: Any) -> ActuatorCommand:
        publisher = self.node.create_publisher(type(message), topic, topics.COMMAND)
        end = time.monotonic() + 20.0
        while (command := self.subscriber.command()) is None:
            assert time.monotonic() < end, "the robot hears nothing"
            publisher.publish(message)
            time.sleep(0.02)
        self.node.destroy_publisher(publisher)
        return command


@pytest.fixture
def forward(node: Any) -> Iterator[Commander]:
    with closing(CommandSubscriber(node, ACTUATORS, FORWARD, None)) as subscriber:
        yield Commander(node, subscriber)


def test_targets_are_taken_in_the_robots_order(forward: Commander) -> None:
    command = forward.say(topics.POSITION, Float64MultiArray(data=[0.25, -0.5]))
    assert command.target.tolist() == [0.25, -0.5]
    assert command.mode is Mode.RUN
    assert command.stiffness.tolist() == [40.0, 40.0]


def test_a_trajectory_is_taken_by_name(node: Any) -> None:
    with closing(CommandSubscriber(node, ACTUATORS, JOINT_TRAJECTORY, None)) as subscriber:
        points = [JointTrajectoryPoint(positions=[0.25, -0.5])]
        message = JointTrajectory(joint_names=["knee", "hip"], points=points)
        command = Commander(node, subscriber).say(topics.TRAJECTORY, message)
    assert command.target.tolist() == [-0.5, 0.25]


@pytest.mark.parametrize(
    ("values", "reported"),
    [
        ([0.1], "refused, 1 numbers, the robot has 2"),
        ([0.1, math.nan], "refused, value 1 is not a number"),
    ],
)
def test_a_message_that_does_not_fit_moves_nothing_and_is_reported(
    forward: Commander, values: list[float], reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Log:
        def warning(self, line: str, **_options: Any) -> None:
            lines.append(line)

    monkeypatch.setattr(forward.node, "get_logger", Log)
    bad = forward.node.create_publisher(Float64MultiArray, topics.POSITION, topics.COMMAND)
    end = time.monotonic() + 20.0
    while not lines and time.monotonic() < end:
        bad.publish(Float64MultiArray(data=values))
        time.sleep(0.02)
    assert lines[0] == f"{topics.POSITION}: {reported}"
    assert forward.subscriber.command() is None
    forward.node.destroy_publisher(bad)
    command = forward.say(topics.POSITION, Float64MultiArray(data=[0.25, -0.5]))
    np.testing.assert_allclose(command.target, [0.25, -0.5])
