"""The simulator's node ends when its robot rests, and sets it back to its start."""

import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from std_srvs.srv import Empty

from edge_runtime.robot.robot import ActuatorCommand, Mode
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks.task import find_robot_task
from sim2edge_ros.simulator.requests import StopAtRest, serve_reset
from tests.ros.graph.ros_graph import Probe


@pytest.fixture
def stop() -> Iterator[StopAtRest]:
    before = {number: signal.getsignal(number) for number in signal.valid_signals() if number < 20}
    made = StopAtRest()
    yield made
    for number, handler in before.items():
        if number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, handler)


def test_a_driven_robot_outlives_the_first_request_to_end(stop: StopAtRest) -> None:
    stop.server = SimpleNamespace(commanded_at=time.monotonic())  # type: ignore[assignment]
    assert not stop
    signal.raise_signal(signal.SIGINT)
    assert not stop, "its edge node brings it to rest"
    stop.server.commanded_at -= 2.0  # type: ignore[union-attr,misc]
    assert stop, "which it has done"


def test_a_second_request_ends_at_once(stop: StopAtRest) -> None:
    stop.server = SimpleNamespace(commanded_at=time.monotonic() + 100)  # type: ignore[assignment]
    signal.raise_signal(signal.SIGINT)
    assert not stop
    signal.raise_signal(signal.SIGTERM)
    assert stop


def test_a_closed_terminal_asks_once_however_often_it_says_so(stop: StopAtRest) -> None:
    stop.server = SimpleNamespace(commanded_at=time.monotonic() + 100)  # type: ignore[assignment]
    for _ in range(3):
        signal.raise_signal(signal.SIGHUP)
    assert not stop, "its edge node brings it to rest"


def test_a_robot_that_nobody_drives_ends_with_the_first(stop: StopAtRest) -> None:
    signal.raise_signal(signal.SIGTERM)
    assert stop


def test_a_reset_sets_the_robot_back_to_its_start(node: Any) -> None:
    simulated = SimulatedRobot(find_robot_task("VehicleTrack"), seed=3)
    engine, robot = simulated.env.engine, LockstepRobot(simulated)
    place, start = engine.qpos[0].copy(), simulated.sample().values.copy()
    ones = np.ones(2, np.float32)
    drive = ActuatorCommand(0, Mode.RUN, np.array([0.2, 20.0], np.float32), 9 * ones, 0.5 * ones)

    def go(periods: int) -> np.ndarray:
        for _ in range(periods):
            robot.write(drive)
        position: np.ndarray = engine.qpos[0].copy()
        return position

    first = go(20)
    serve_reset(node, simulated)
    Probe(node).call("probe/reset", Empty)
    assert simulated.restart_asked
    simulated.restart()
    assert not simulated.restart_asked
    np.testing.assert_array_equal(engine.qpos[0], place)
    np.testing.assert_array_equal(simulated.sample().values, start)
    assert simulated.sequence == 20, "samples are counted on"
    np.testing.assert_array_equal(go(20), first)
