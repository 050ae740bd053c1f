"""An edge node's robot learns while it drives, says how that goes, and is stopped and started."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from edge_runtime.keys.key_file import new_key, write_key
from tests.ros.graph.ros_graph import up
from tests.ros.graph.watcher import Watcher

pytestmark = pytest.mark.slow  # a whole graph in real time


def test_it_learns_until_it_is_stopped(node: Any, tmp_path: Path) -> None:
    write_key(tmp_path / "key", new_key())
    settings = {
        "learn": "adapter",
        "learn_folder": tmp_path / "learner",
        "learn_store": tmp_path / "store",
        "learn_store_key": tmp_path / "key",
    }
    words = [word for name, value in settings.items() for word in ("--set", f"{name}:={value}")]
    watcher = Watcher(node)

    def experience() -> float:
        return float(watcher.value("learning", "experience_s") or 0.0)

    with up("vehicle", *words) as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 3.0, "the car drives")
        watcher.until(lambda: experience() > 3.0, "it learns")
        assert watcher.value("learning", "tier") == "adapter"
        answer = watcher.ask("learn/stop")
        assert answer.success and answer.message == "the robot learns no more"
        assert not watcher.ask("learn/stop").success
        before = watcher.time
        watcher.until(lambda: watcher.time > before + 1.0, "the car drives on")
        assert watcher.ask("learn/start").success
        watcher.until(lambda: experience() > 5.0, "it goes on from where it was")
        assert not watcher.ask("learn/start").success
    assert any((tmp_path / "store").iterdir())
