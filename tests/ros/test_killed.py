"""What a graph does when a part of it dies, or the network between them."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install 'sim2edge[ros]'")

from ros_faults import (
    LEASE,
    PERIOD,
    TIME_OUT,
    Outcome,
    can_cut,
    child,
    cut_the_network,
    kill_the_simulator,
)
from ros_graph import up
from watcher import Watcher

from tests.ros.recorder.bags import rosbags_count

pytestmark = pytest.mark.slow  # whole graphs, in real time

_DOMAIN = 1 + (os.getpid() + 50) % 100  # beside that of the other tests
_SLACK = 0.1  # s by which a shared machine may be late


def check(outcome: Outcome) -> None:
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


def recorded(watcher: Watcher, bag: str) -> int:
    """Messages in a bag, as its recorder told last."""
    for message in reversed(watcher.heard["/diagnostics"]):
        for status in message.status:
            if status.name == "/recorder":
                told = {v.key: v.value for v in status.values}
                return int(told["messages"]) if told["bag"].endswith(bag) else 0
    return 0


def test_a_killed_recorder_is_started_again_and_nobody_minds(node: Any, tmp_path: Path) -> None:
    watcher = Watcher(node)
    with up("vehicle", "--lockstep", "--record", str(tmp_path)) as graph:
        graph.until("recorder]: recording into")
        graph.until("edge_node]: active")
        watcher.until(lambda: recorded(watcher, "bag_00001") > 200, "it is recorded")
        missed = watcher.value("control loop", "missed") or "0"
        os.kill(child(graph.process.pid, "recorder_node"), signal.SIGKILL)
        graph.until("recorder: ended with signal 9; it is started again")
        graph.until("recovered ")
        watcher.until(lambda: recorded(watcher, "bag_00002") > 200, "it is recorded again")
        watcher.until(lambda: watcher.value("control loop", "ticks") != "", "it is told")
        assert watcher.value("control loop", "latched") == "none"
        assert watcher.value("control loop", "missed") == missed
        assert watcher.speed > 3.0
        assert graph.interrupt() == 0, graph.output
    bags = sorted(tmp_path.glob("bag_*"))
    assert len(bags) == 2
    assert all(rosbags_count(bag) > 100 for bag in bags)
