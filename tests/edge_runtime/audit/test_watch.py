"""A run's audit log says which policy drove, which rules broke, and how the run ended."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.audit import watch as watch_module
from edge_runtime.audit.audit_log import AuditLog
from edge_runtime.audit.verification import verify
from edge_runtime.audit.watch import AuditWatch, starting
from edge_runtime.errors import UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from sim2edge.__main__ import main as sim2edge
from tests.edge_runtime.audit.logs import begun, records_of
from tests.edge_runtime.leg import LegRobot, make_contract, make_model


def noted(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    return [(record.event, dict(record.details)) for record in records_of(folder)]


def test_policies_and_broken_rules_are_recorded(
    loop: ControlLoop, robot: LegRobot, tmp_path: Path
) -> None:
    key = begun(tmp_path)
    first, second = loop.controller.policy, Policy(make_model(make_contract()), "second.onnx")
    with AuditLog(tmp_path) as log:
        watch = AuditWatch(log, every=60.0)
        watch.begin(first, "leg")
        loop.add_observer(watch)
        for _ in range(3):
            loop.tick()
        robot.values["joint_vel"][0, 0] = np.nan
        for _ in range(2):
            loop.tick()
        loop.swap(second)
        loop.tick()
        watch.note("refused", {"service": "load", "why": "damaged"})
        watch.end(loop)
        watch.close()
        assert watch.described() == str(tmp_path)
    events = noted(tmp_path)
    assert [event for event, _ in events] == [
        *("log begun", "run begins", "policy drives", "policy drives"),
        *("refused", "guard", "run ends", "checkpoint"),
    ]
    assert [details["sha256"] for _, details in events[1:4]] == [
        *(first.sha256, first.sha256, second.sha256),
    ]
    assert events[5][1] == {
        "broken_ticks": {"sensor_not_finite": 3},
        "worst": "hold",
        "reaction": "hold",
    }
    assert events[6][1] == {"ticks": 6, "latched": "none", "error": ""}
    verdict = verify(tmp_path, key)
    assert (verdict.intact, verdict.signed) == (True, 7)


def test_a_run_that_cannot_be_started_has_an_end_in_the_log(
    loop: ControlLoop, tmp_path: Path
) -> None:
    begun(tmp_path)
    policy = loop.controller.policy
    with AuditLog(tmp_path) as log:
        watch = AuditWatch(log, every=60.0)
        with pytest.raises(UserError, match="other_node"), starting(watch, policy, "leg"):
            raise UserError("other_node commands this robot already")
        watch.end(loop)  # as of who stops whatever began
        with starting(watch, policy, "leg"):
            loop.tick()
        watch.end(loop)
        watch.close()
    events = noted(tmp_path)
    assert [event for event, _ in events] == [
        *("log begun", "run begins", "run ends", "checkpoint"),
        *("run begins", "run ends", "checkpoint"),
    ]
    why = "other_node commands this robot already"
    assert events[2][1] == {"ticks": 0, "latched": "none", "error": why}
    assert events[5][1]["ticks"] == 1


def test_a_log_that_cannot_be_written_does_not_stop_the_robot(
    loop: ControlLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path)
    with AuditLog(tmp_path) as log:
        watch = AuditWatch(log, every=60.0)
        watch.begin(loop.controller.policy, "leg")
        loop.add_observer(watch)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(log, "append", full)
            loop.tick()
            assert not watch.flush()
            loop.tick()
            assert watch.described().endswith("is not complete: No space left on device")
            with pytest.raises(UserError, match="cannot write audit log .*No space left"):
                watch.begin(loop.controller.policy, "leg")
        assert watch.flush(), "it goes on when there is room again"
        assert watch.failure == ""
        watch.note("promoted", {"policy": object()})
        watch.end(loop)
        watch.close()
        assert watch.described() == str(tmp_path)
    events = [event for event, _ in noted(tmp_path)]
    assert events.count("run begins") == 2
    assert events[-3:] == ["promoted", "run ends", "checkpoint"]
    assert "cannot be recorded" in noted(tmp_path)[-3][1]["not recorded"]


def test_a_disk_that_hangs_holds_nobody_up(
    loop: ControlLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path)
    monkeypatch.setattr(watch_module, "_PATIENCE", 0.2)
    goes_on = threading.Event()
    with AuditLog(tmp_path) as log:
        watch = AuditWatch(log, every=60.0)
        monkeypatch.setattr(log, "append", lambda *_: goes_on.wait(60.0))
        loop.add_observer(watch)
        began = time.monotonic()
        loop.tick()
        assert time.monotonic() - began < 0.1
        with pytest.raises(UserError, match="did not take a record within"):
            watch.begin(loop.controller.policy, "leg")
        watch.close()
        assert "a write did not end within 0.2 s" in watch.described()
        goes_on.set()


def test_a_run_is_recorded_and_verified_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, key, receipt = (str(tmp_path / name) for name in ("log", "first.key", "receipt.json"))
    assert sim2edge(["audit", "new", log, "--key", key]) == 0
    options = ("--seconds", "1", "--report", str(tmp_path / "out"), "--audit", log)
    assert sim2edge(["run", "VehicleTrack", *options]) == 0
    assert f"audit: {log}" in capsys.readouterr().out
    assert sim2edge(["audit", "verify", log, "--key", key, "--write-receipt", receipt]) == 0
    assert "6 records are intact, 5 of them signed" in capsys.readouterr().out
    assert sim2edge(["audit", "show", log]) == 0
    shown = capsys.readouterr().out
    assert "run begins" in shown
    assert "robot sim" in shown
    path = next(Path(log).glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    (Path(log) / "next.key").unlink()
    assert sim2edge(["audit", "verify", log, "--key", key, "--receipt", receipt]) == 1
    assert (
        f"CHANGED: records 3 to 5 are missing: {receipt} has seen more" in capsys.readouterr().out
    )
    assert json.loads(Path(receipt).read_text())["number"] == 5
    for words, why in (
        (("new", log, "--key", key), "exists, and may be a key in use"),
        (("new", log), "--key is missing"),
        (("verify", str(tmp_path)), "holds no audit log"),
        (("verify", log, "--key", receipt), "is no key of an audit log"),
        (("verify", log, "--receipt", key), "receipt"),
    ):
        assert sim2edge(["audit", *words]) == 2
        assert why in capsys.readouterr().err
