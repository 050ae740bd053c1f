"""A graph reacts to the death of a node and to a cut network."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from ros_nodes.faults import (
    LEASE,
    PERIOD,
    TIME_OUT,
    GraphFaultOutcome,
    can_cut,
    child,
    cut_the_network,
    kill_the_simulator,
)

from sim2edge_ros.processes.up import default_parameters
from sim2edge_ros.settings.robot_file import default_policy
from tests.ros.graph.ros_graph import Graph, running, up
from tests.ros.graph.watcher import Watcher
from tests.ros.recorder.bags import rosbags_count

pytestmark = pytest.mark.slow  # whole graphs, in real time

_DOMAIN = 1 + (os.getpid() + 50) % 100  # beside that of the other tests
_AGAIN = 12.0  # s until a node that was started again is active; DDS's lease would be 20 s
_SLACK = 0.1  # s by which a shared machine may be late


def check(outcome: GraphFaultOutcome) -> None:
    """It reacted as declared, two periods after its time-out at most, and drove again."""
    assert PERIOD < outcome.reaction < TIME_OUT + 2 * PERIOD + _SLACK
    assert outcome.recovery < 60.0
    stopped = [said for said in outcome.said if said.startswith("stop: ")]
    assert any("seconds without a new sample" in said for said in stopped), outcome.said


def test_a_killed_simulator_stops_the_robot_and_comes_back() -> None:
    check(kill_the_simulator(_DOMAIN))


@pytest.mark.skipif(not can_cut(), reason="no permission to make network namespaces")
@pytest.mark.parametrize("seconds", [2.0, 1.2 * LEASE])
def test_a_cut_network_stops_the_robot_and_heals(seconds: float) -> None:
    """Also when it is cut for so long that both sides have forgotten each other."""
    check(cut_the_network(_DOMAIN, seconds))


def test_a_killed_simulator_in_lockstep_begins_anew(node: Any) -> None:
    """Its time too, and with it the edge node's, which takes its successor for no stranger."""
    watcher = Watcher(node)
    with up("vehicle", "--lockstep") as graph:
        graph.until("edge_node]: active")
        # Late enough that its successor is heard before it is there again, at ten times real time.
        watcher.until(lambda: watcher.time > 100.0 and watcher.speed > 3.0, "the car drives")
        before = watcher.time
        os.kill(child(graph.process.pid, "sim_node"), signal.SIGKILL)
        graph.until("sim_node: ended with signal 9; it is restarted")
        watcher.until(lambda: watcher.time < before, "time begins anew")
        watcher.until(lambda: watcher.speed > 3.0, "the car drives again")
        watcher.drives(3.0)
        assert watcher.speed > 3.0
        assert "stop one" not in graph.output


def recorded(watcher: Watcher, bag: str) -> int:
    """Returns the number of messages in a bag that its recorder reported last."""
    for message in reversed(watcher.received["/diagnostics"]):
        for status in message.status:
            if status.name == "recorder":
                reported = {v.key: v.value for v in status.values}
                return int(reported["messages"]) if reported["bag"].endswith(bag) else 0
    return 0


def test_a_killed_recorder_is_restarted_without_effect_on_the_robot(
    node: Any, tmp_path: Path
) -> None:
    watcher = Watcher(node)
    with up("vehicle", "--lockstep", "--record", str(tmp_path)) as graph:
        graph.until("recorder]: recording into")
        graph.until("edge_node]: active")
        watcher.until(lambda: recorded(watcher, "bag_00001") > 200, "it is recorded")
        watcher.spin(1.0)  # until those are on the disk
        missed = watcher.value("control loop", "missed") or "0"
        os.kill(child(graph.process.pid, "recorder_node"), signal.SIGKILL)
        graph.until("recorder: ended with signal 9; it is restarted")
        graph.until("recovered ")
        watcher.until(lambda: recorded(watcher, "bag_00002") > 200, "it is recorded again")
        watcher.until(lambda: watcher.value("control loop", "ticks") != "", "it is published")
        assert watcher.value("control loop", "latched") == "none"
        assert watcher.value("control loop", "missed") == missed
        assert watcher.speed > 3.0
        assert graph.interrupt() == 0, graph.output
    bags = sorted(tmp_path.glob("bag_*"))
    assert len(bags) == 2
    assert all(rosbags_count(bag) > 100 for bag in bags)


def test_a_killed_edge_node_is_restarted_and_the_car_drives_on(node: Any) -> None:
    """The robot damps itself meanwhile; nobody takes the dead one for another commander."""
    watcher = Watcher(node)
    with up("vehicle") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 5.0, "the car drives")
        os.kill(child(graph.process.pid, "sim2edge_ros.edge.edge_node"), signal.SIGKILL)
        watcher.until(lambda: watcher.speed < 4.0, "it slows down")
        graph.until("edge_node: ended with signal 9; it is restarted")
        began = time.monotonic()
        watcher.until(lambda: graph.output.count("edge_node]: active") == 2, "it is active again")
        assert time.monotonic() - began < _AGAIN, graph.output
        watcher.until(lambda: watcher.speed > 4.5, "the car drives again")
        assert "already" not in graph.output


_FAILS = """
import sys
from sim2edge_ros.edge import edge_node
calls = 0
look_around = edge_node.EdgeNode._look_around
def failing(self):
    global calls
    look_around(self)
    calls += self._drive is not None and self._drive.active
    if calls == 4:
        raise ZeroDivisionError("a bug in a callback")
edge_node.EdgeNode._look_around = failing
sys.exit(edge_node.main())
"""


@contextmanager
def failing(code: str) -> Iterator[Graph]:
    """A car's edge node with a bug in it, and its robot."""
    arguments = ["--ros-args", "--params-file", str(default_parameters("vehicle"))]
    simulator = [sys.executable, "-m", "sim2edge_ros.simulator.sim_node", *arguments]
    policy = ["-p", f"policy:={default_policy('vehicle')}", "-p", "autostart:=true"]
    with (
        running(simulator) as robot,
        running([sys.executable, "-c", code, *arguments, *policy]) as edge,
    ):
        yield edge
        assert robot.process.poll() is None


def test_a_callback_that_fails_brings_the_robot_to_rest_first(node: Any) -> None:
    watcher = Watcher(node)
    with failing(_FAILS) as edge:
        edge.until("edge_node]: active")
        watcher.until(lambda: edge.process.poll() is not None, "it ends")
        watcher.until(lambda: abs(watcher.speed) < 1.0, "the car stands")
    assert edge.process.returncode == 1
    assert "ZeroDivisionError: a bug in a callback" in edge.output
    assert "inactive: stopped under control, commands have ended" in edge.output


_DEAF = """
import sys, time
from sim2edge_ros.edge import edge_node
from sim2edge_ros.{module} import {kind}
begun, {method} = time.monotonic(), {kind}.{method}
def failing(self, *given):
    if time.monotonic() - begun > 8.0:
        raise ZeroDivisionError("a bug in a thread")
    return {method}(self, *given)
{kind}.{method} = failing
sys.exit(edge_node.main())
"""


@pytest.mark.parametrize(
    ("module", "kind", "method"),
    [
        ("sensors.source", "Source", "take"),
        ("commands.actuation", "CommandPublisher", "send"),
    ],
)
def test_a_thread_that_dies_is_noticed(node: Any, module: str, kind: str, method: str) -> None:
    """That of the sensors or of the commands: the node goes to its error state, with its reason."""
    watcher = Watcher(node)
    with failing(_DEAF.format(module=module, kind=kind, method=method)) as edge:
        edge.until("edge_node]: active")
        edge.until("the control loop failed: ZeroDivisionError: a bug in a thread")

        def state() -> str:
            received = watcher.received["/edge_node/status"]
            values = received[-1].values if received else []
            return next((str(v.value) for v in values if v.key == "state"), "")

        watcher.until(lambda: state() == "unconfigured", "it is cleaned up")
        watcher.spin(2.0)
        assert state() == "unconfigured", "for a person to look at"
