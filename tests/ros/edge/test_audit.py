"""An edge node records in its audit log what was asked for, and what drove the robot."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from edge_runtime.audit.verification import verify
from sim2edge_ros.settings.robot_file import default_policy
from tests.edge_runtime.audit.logs import begun, records_of
from tests.ros.graph.ros_graph import up
from tests.ros.graph.watcher import Watcher

pytestmark = pytest.mark.slow  # a whole graph in real time


def test_what_a_node_was_asked_for_is_recorded(node: Any, tmp_path: Path) -> None:
    log, other = tmp_path / "audit", tmp_path / "other.onnx"
    key = begun(log)
    other.write_bytes(default_policy("vehicle").read_bytes())
    watcher = Watcher(node)
    with up("vehicle", "--set", f"audit:={log}") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 3.0, "the car drives")
        watcher.set("candidate", str(other))
        assert watcher.ask("load").success
        watcher.set("candidate", str(tmp_path / "none.onnx"))
        assert not watcher.ask("load").success
        watcher.spin(1.0)
    verdict = verify(log, key)
    assert verdict.intact, verdict.findings
    records = records_of(log)
    events = [record.event for record in records]
    for before, after in (
        ("log begun", "run begins"),
        ("run begins", "policy drives"),
        ("policy drives", "asked for"),
        ("asked for", "done"),
        ("done", "refused"),
        ("refused", "run ends"),
        ("run ends", "checkpoint"),
    ):
        assert events.index(before) < events.index(after), events
    assert events.count("policy drives") == 2
    second = [n for n, event in enumerate(events) if event == "policy drives"][1]
    assert events.index("asked for") < second, "it was on the disk before it was done"
    asked = records[events.index("asked for")].details
    assert asked == {"service": "load", "candidate": str(other)}
    assert events.count("asked for") == 2
    refused = records[events.index("refused")].details
    assert refused["service"] == "load"
    assert "none.onnx" in refused["answer"]
