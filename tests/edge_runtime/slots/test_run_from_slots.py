"""`sim2edge run FOLDER`: the pending policy drives, is judged, and that is recorded."""

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
