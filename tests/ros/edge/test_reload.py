"""Policies are exchanged under motion, in real time, without a missed tick."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from sim2edge_ros.settings.robot_file import default_policy
from tests.ros.graph.ros_graph import up
from tests.ros.graph.watcher import Watcher

pytestmark = pytest.mark.slow  # a whole graph in real time

_RELOADS = 20
_EACH = 0.5  # s


def test_twenty_reloads_in_a_row_add_no_missed_tick(node: Any, tmp_path: Path) -> None:
    """The ticks missed while reloading are at most those missed in as long without it."""
    other = tmp_path / "other.onnx"
    other.write_bytes(default_policy("vehicle").read_bytes())
    watcher = Watcher(node)

    def missed() -> int:
        received = len(watcher.received["/diagnostics"])
        watcher.until(
            lambda: len(watcher.received["/diagnostics"]) > received + 1, "it is published"
        )
        return int(watcher.value("control loop", "missed"))

    with up("vehicle") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 3.0, "the car drives")
        watcher.set("candidate", str(other))
        begun = missed()
        watcher.spin(_RELOADS * _EACH)
        without = missed()
        for _ in range(_RELOADS):
            assert watcher.ask("load").success
            watcher.spin(_EACH)
        with_reloads = missed()
        watcher.until(lambda: watcher.value("policy", "swaps") == str(_RELOADS), "it is published")
    assert with_reloads - without <= without - begun
