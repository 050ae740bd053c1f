"""Controllers receive commands as they are published."""

import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from rclpy.qos import QoSProfile
from std_msgs.msg import Float64MultiArray

from edge_runtime.policy.contract import Actuator
from edge_runtime.robot.robot import ActuatorCommand, Mode
from sim2edge_ros.commands.actuation import CommandPublisher
from sim2edge_ros.messages import cdr, topics
from sim2edge_ros.messages.subscriber_thread import SubscriberThread

ACTUATORS = tuple(Actuator(name, stiffness=50.0, damping=2.0) for name in ("hip", "knee"))
PERIOD = 0.02


class Driver:
    """Hears targets and stiffness, and commands as a control loop does."""

    def __init__(self, node: Any) -> None:
        self.received: dict[str, list[list[float]]] = {topics.POSITION: [], topics.STIFFNESS: []}
        self._subscriber_thread = SubscriberThread(node, "commands")
        for topic, values in self.received.items():
            take = lambda data, _, to=values: to.append(cdr.unpack_array(data).tolist())  # noqa: E731
            self._subscriber_thread.subscribe(Float64MultiArray, topic, take, QoSProfile(depth=100))
        self._subscriber_thread.start()
        self.publisher = CommandPublisher(node, ACTUATORS, PERIOD, None, "base_link")
        end = time.monotonic() + 20.0
        while node.count_subscribers(topics.POSITION) == 0 and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)

    def command(self, target: float, stiffness: float, mode: Mode = Mode.RUN) -> None:
        """One, and wait until it is received."""
        before = len(self.received[topics.POSITION])
        gains = np.full(2, stiffness, np.float32)
        self.publisher.put(ActuatorCommand(0, mode, np.full(2, target, np.float32), gains, gains))
        self.publisher.send()
        end = time.monotonic() + 10.0
        while len(self.received[topics.POSITION]) == before and time.monotonic() < end:
            time.sleep(0.001)

    def close(self) -> None:
        """Once all is received."""
        time.sleep(0.2)
        self.publisher.close()
        self._subscriber_thread.close()


def test_targets_come_each_time_and_the_same_gains_ten_times_a_second(node: Any) -> None:
    driver = Driver(node)
    for number in range(20):
        driver.command(float(number), 50.0)
    driver.close()
    assert driver.received[topics.POSITION] == [[float(n)] * 2 for n in range(20)]
    assert driver.received[topics.STIFFNESS] == [[50.0, 50.0]] * 4


def test_changed_gains_come_at_once_and_those_of_a_damped_robot_always(node: Any) -> None:
    driver = Driver(node)
    driver.command(1.0, 50.0)
    driver.command(1.0, 40.0)
    for _ in range(3):
        driver.command(1.0, 0.0, Mode.DAMP)
    driver.close()
    assert driver.received[topics.STIFFNESS] == [[50.0] * 2, [40.0] * 2, *[[0.0] * 2] * 3]
