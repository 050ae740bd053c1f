"""A service of the edge node lets a policy drive as a canary, and a folder of slots follows."""

from pathlib import Path
from typing import Any

import onnx
import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from edge_runtime.slots.slot_folder import SlotFolder
from sim2edge_ros.settings.robot_file import default_policy
from tests.edge_runtime.audit.logs import begun, records_of
from tests.ros.graph.ros_graph import up
from tests.ros.graph.watcher import Watcher

pytestmark = pytest.mark.slow  # a whole graph in real time


def test_a_candidate_takes_turns_and_becomes_good(node: Any, tmp_path: Path) -> None:
    begun(log := tmp_path / "audit")
    model = default_policy("vehicle").read_bytes()
    slots = SlotFolder(tmp_path / "slots")
    slots.install(model, "ann")
    proto = onnx.load_from_string(model)
    proto.doc_string = "the same, in another file"
    other = tmp_path / "other.onnx"
    other.write_bytes(proto.SerializeToString())
    settings = {
        "policy": slots.path,
        "audit": log,
        "canary_slice_seconds": 0.5,
        "canary_slices": 2,
        "canary_misses": 1000,  # a machine that runs tests misses some by itself
        "probation_seconds": 0.0,
    }
    words = [word for name, value in settings.items() for word in ("--set", f"{name}:={value}")]
    watcher = Watcher(node)
    with up("vehicle", *words) as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 3.0, "the car drives")
        assert not watcher.ask("canary").success, "there is none yet"
        watcher.set("candidate", str(other))
        answer = watcher.ask("canary")
        assert answer.success, answer.message
        assert "takes turns with" in answer.message
        watcher.until(lambda: watcher.value("canary", "verdict") == "good", "it has passed")
        watcher.until(lambda: slots.status().pending is None, "the folder follows")
        good = slots.status().good
        assert good is not None
        assert good.sha256 == watcher.value("policy", "sha256")
        assert watcher.ask("roll_back").success
        assert slots.status().good != good
        watcher.spin(1.0)
    events = [record.event for record in records_of(log)]
    expected = ["canary begins", "canary ends", "promoted", "rolled back"]
    assert [event for event in events if event in expected] == expected
    assert {"policy installed", "policy confirmed", "policy rolled back"} <= set(events)
