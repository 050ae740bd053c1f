"""The control loop keeps step with the robot's samples, and its deadlines where none come."""

import dataclasses
import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState

from edge_runtime.estimators import find_fusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.pacing import sleep_until
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand
from edge_runtime.safety.rules import Reaction
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY
from sim2edge_ros.pacing.real_time_pace import RealTimePace
from sim2edge_ros.sensors.ros_robot import RosRobot, RosRobotConfig
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.robot_file import default_policy
from tests.edge_runtime.leg import make_model

pytestmark = pytest.mark.slow  # real time to a few ms, for which a machine must be quiet

HUMANOID = robot_file.load("humanoid")
PERIOD = 0.1  # s; so slow that a busy machine is in time
USED = frozenset(("imu_gyro", "imu_accel", "imu_burst", "joint_pos", "joint_vel"))


class Driven:
    """A loop on a robot whose samples come when the test says."""

    def __init__(self, node: Any) -> None:
        whole = Policy.load(default_policy("humanoid")).contract
        contract = dataclasses.replace(
            whole,
            observations=tuple(t for t in whole.observations if t.name != BASE_VELOCITY),
            signals=tuple(s for s in whole.signals if s.name != BASE_VELOCITY),
            estimator_outputs=(ATTITUDE,),
            control_period=PERIOD,
            golden_observations=(),
            golden_actions=(),
        )
        policy = Policy(make_model(contract))
        self.sent: list[float] = []  # s, by the monotonic clock
        self.given: list[float] = []
        self.robot = RosRobot(node, HUMANOID, USED, RosRobotConfig(PERIOD), self._send)
        fusion = find_fusion("vqf", policy.contract, self.robot.description)
        self.loop = ControlLoop(policy, self.robot, fusion, LoopConfig(phase=0.25))
        self._rng = np.random.default_rng(0)
        self._sources = {source.topic: source for source in self.robot.sources}

    def _send(self, command: ActuatorCommand) -> None:
        self.sent.append(time.monotonic())

    def sample(self, stamp: float) -> None:
        names = list(HUMANOID.description.joint_names)
        moving = self._rng.normal(0.0, 1e-3, len(names)).tolist()
        self._give("joint_states", JointState(name=names, position=moving, velocity=moving), stamp)
        self.given.append(time.monotonic())
        for part in (3, 2, 1, 0):
            message = Imu()
            force = message.linear_acceleration
            force.x, force.y, force.z = self._rng.normal((0.0, 0.0, 9.81), 0.01)
            message.angular_velocity.x = self._rng.normal(0.0, 0.01)  # at rest
            self._give("imu/data", message, stamp - part * PERIOD / 4)

    def _give(self, topic: str, message: Any, stamp: float) -> None:
        message.header.stamp.sec = int(stamp)
        message.header.stamp.nanosec = round((stamp - int(stamp)) * 1e9)
        self._sources[topic].take(serialize_message(message))

    def give(self, number: int, period: float, jitter: float) -> None:
        """Samples in real time, each late by up to `jitter` s; the stamps are exact."""
        begun, wall = time.monotonic_ns(), time.time()
        for index in range(number):
            due = index * period
            sleep_until(begun + round((due + self._rng.uniform(0.0, jitter)) * 1e9))
            self.sample(wall + due)


@pytest.fixture
def driven(node: Any) -> Iterator[Driven]:
    made = Driven(node)
    # A loop that starts collects garbage, which would take a second over all that a process of
    # many tests holds, and no sample would be given in that second.
    gc.freeze()
    yield made
    made.loop.stop()
    made.loop.join(10.0)
    made.robot.close()
    gc.unfreeze()


def begin(driven: Driven, delay: float = 0.05) -> None:
    """Start the loop `delay` s after a sample."""
    feeder = threading.Thread(target=driven.give, args=(12, PERIOD, 0.0))
    feeder.start()
    time.sleep(PERIOD + delay)  # the robot is there before its loop
    driven.loop.start(RealTimePace(driven.loop, driven.robot))
    feeder.join()


@pytest.mark.parametrize(("period", "jitter"), [(PERIOD, 0.02), (1.2 * PERIOD, 0.0)])
def test_each_sample_has_a_tick_of_its_own(driven: Driven, period: float, jitter: float) -> None:
    """Also of a robot whose clock is slow: a loop on its own grid would tick without a sample."""
    begin(driven)
    sensors, ticks = driven.loop.sensors, driven.loop.ticks
    new, nothing = sensors.new, sensors.without_new
    driven.give(20, period, jitter)
    time.sleep(0.02)
    # A shared machine may keep either thread waiting twice; a grid of its own would be off by four.
    assert sensors.new - new >= 17
    assert sensors.without_new - nothing <= 3  # one of them between the two turns
    assert abs(driven.loop.ticks - ticks - 20) <= 3


def test_without_samples_it_ticks_on_its_grid_and_reacts(driven: Driven) -> None:
    begin(driven)
    ticks, begun = driven.loop.ticks, time.monotonic()
    time.sleep(1.0)
    passed = (time.monotonic() - begun) / PERIOD
    assert driven.loop.ticks - ticks + driven.loop.budget.missed == pytest.approx(passed, abs=1.5)
    assert driven.loop.guard.latched is Reaction.STOP


@pytest.mark.parametrize("delay", [0.01, 0.06, 0.09])
def test_a_command_leaves_soon_after_its_sample(driven: Driven, delay: float) -> None:
    """Wherever in the robot's period the loop was started."""
    begin(driven, delay)
    given, sent = np.array(driven.given[4:]), np.array(driven.sent)
    waits = [sent[sent > moment].min(initial=np.inf) - moment for moment in given]
    assert np.percentile(waits, 25) < 0.1 * PERIOD  # out of step, none would be
