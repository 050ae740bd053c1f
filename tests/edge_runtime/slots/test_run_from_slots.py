"""`sim2edge run FOLDER`: the pending policy drives, is judged, and that is recorded."""

import json
import socket
from pathlib import Path

import pytest

from edge_runtime.audit.verification import verify
from edge_runtime.slots.slot_folder import SlotFolder
from sim2edge.__main__ import main as sim2edge
from tests.edge_runtime.audit.logs import begun, records_of
from tests.edge_runtime.leg import PacedRobot, make_contract, make_model


class Paced(PacedRobot):
    period = 0.02  # s, of the policies


def fallen() -> Paced:
    robot = Paced()
    robot.lean(2.0)
    return robot


@pytest.fixture
def slots(tmp_path: Path) -> SlotFolder:
    folder = SlotFolder(tmp_path / "slots")
    folder.install(make_model(make_contract()), "ann")
    folder.install(make_model(make_contract(), 1), "bob")
    return folder


QUICK = (
    *("--canary", "--canary.after", "0.1", "--canary.slice-seconds", "0.1", "--canary.slices", "2"),
    *("--canary.settle-seconds", "0", "--canary.probation.seconds", "0.1"),
)


def run(slots: SlotFolder, robot: str, *words: str) -> int:
    quiet = ["--realtime.fifo", "0", "--realtime.no-lock-memory", "--no-rehearse"]
    report = ["--report", str(slots.path.parent / "out")]
    where = ["--robot", f"tests.edge_runtime.slots.test_run_from_slots:{robot}"]
    timing = ["--seconds", "0.8", "--slots.confirm-after", "0.3"]
    return sim2edge(["run", str(slots.path), *where, *timing, *quiet, *report, *words])


@pytest.mark.slow  # it is brought to rest as a robot is
def test_it_is_confirmed_recorded_and_vouched_for(
    slots: SlotFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = begun(tmp_path / "audit")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert run(slots, "Paced", "--audit", str(tmp_path / "audit")) == 0
        assert manager.recv(1000).startswith(b"READY=1\nWATCHDOG=1\n")
    assert "it is confirmed after 0.3 s" in capsys.readouterr().out
    state = slots.status()
    assert (state.pending, state.recorded) == (None, state.number)
    events = [record.event for record in records_of(tmp_path / "audit")]
    assert events[1:5] == [*(2 * ["policy installed"]), "run begins", "policy drives"]
    assert events[-3:] == ["policy confirmed", "run ends", "checkpoint"]
    assert verify(tmp_path / "audit", key).intact


def test_a_fall_rejects_and_the_good_one_is_next(
    slots: SlotFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(slots, "fallen") == 1
    assert "it is rejected: the guard latched damp by tilt" in capsys.readouterr().out
    assert slots.boot().slot == "good"


def test_a_robot_that_is_not_there_costs_no_start(
    slots: SlotFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(slots, "missing") == 2
    assert "has no 'missing'" in capsys.readouterr().err
    assert slots.status().boots == 0


@pytest.mark.slow  # it is brought to rest as a robot is
def test_the_pending_one_is_a_canary_beside_the_good_one(
    slots: SlotFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(tmp_path / "audit")
    pending = slots.status().pending
    assert pending is not None
    assert run(slots, "Paced", *QUICK, "--seconds", "2", "--audit", str(tmp_path / "audit")) == 0
    shown = capsys.readouterr().out
    assert "is good: no fault" in shown
    assert "it is confirmed as a canary" in shown
    good = slots.status().good
    assert good is not None
    assert good.sha256 == pending.sha256
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["canary"]["verdict"]["outcome"] == "good"
    assert report["slots"]["good"]["sha256"] == pending.sha256
    assert report["slots"]["pending"] is None
    events = [record.event for record in records_of(tmp_path / "audit")]
    recorded = ["canary begins", "canary ends", "promoted", "probation ends", "policy confirmed"]
    assert [event for event in events if event in recorded] == recorded


@pytest.mark.slow  # it is brought to rest as a robot is
def test_a_candidate_is_installed_and_rejected_when_it_fails(
    slots: SlotFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = tmp_path / "wild.onnx"
    wild.write_bytes(make_model(make_contract(), 2, bias=1e4))
    good = slots.status().good
    assert run(slots, "Paced", *QUICK, "--seconds", "2", "--shadow", str(wild)) == 0
    assert "is bad: an action of" in capsys.readouterr().out
    assert (slots.status().good, slots.status().pending) == (good, None)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    reasons = [rejected["reason"] for rejected in report["slots"]["rejected"]]
    assert reasons[0] == f"{wild} took its place"
    assert "times the clip" in reasons[1]


def test_a_canary_needs_a_policy_and_time(
    slots: SlotFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(slots, "Paced", "--canary") == 2
    assert "the canary takes 65 s, and the run 0.8 s" in capsys.readouterr().err
    assert sim2edge(["run", "VehicleTrack", "--canary", "--seconds", "0"]) == 2
    assert "name its file with --shadow" in capsys.readouterr().err
    assert slots.status().boots == 0
