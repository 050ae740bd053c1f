"""Policies are exchanged under motion, in real time, without a missed tick."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from sim2edge_ros.settings.robot_file import default_policy
from tests.ros.graph.ros_graph import up
from tests.ros.graph.watcher import Watcher

pytestmark = pytest.mark.slow  # a whole graph in real time

_TURNS = 4
_RELOADS = 5  # in each turn
_EACH = 0.5  # s


def test_twenty_reloads_add_no_missed_tick(node: Any, tmp_path: Path) -> None:
    """Turns with reloads miss as many ticks as turns without them, in the median, give or take
    one."""
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
        without, reloading = list[int](), list[int]()
        before = missed()
        for turn in range(1, _TURNS + 1):
            watcher.spin(_RELOADS * _EACH)
            between = missed()
            for _ in range(_RELOADS):
                assert watcher.ask("load").success
                watcher.spin(_EACH)
            swaps = str(turn * _RELOADS)
            watcher.until(lambda s=swaps: watcher.value("policy", "swaps") == s, "it is published")
            after = missed()
            without.append(between - before)
            reloading.append(after - between)
            before = after
    assert np.median(reloading) <= np.median(without) + 1, (reloading, without)
