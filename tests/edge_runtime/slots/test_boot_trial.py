"""A pending policy is confirmed or rejected by how it drives."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.audit.audit_log import AuditLog
from edge_runtime.audit.verification import verify
from edge_runtime.errors import ContractError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.session import Session
from edge_runtime.slots.boot_trial import BootTrial, boot_trial, booted
from edge_runtime.slots.canary import CanaryConfig
from edge_runtime.slots.policy_slots import PolicySlots
from edge_runtime.slots.probation import ProbationConfig
from edge_runtime.slots.slot_folder import SlotFolder, SlotsConfig
from edge_runtime.slots.slot_state import SlotState
from sim2edge.__main__ import main as sim2edge
from tests.edge_runtime.audit.logs import begun, records_of
from tests.edge_runtime.leg import LegRobot, make_contract, make_model
from tests.edge_runtime.slots.shadowing import make_session
from tests.edge_runtime.slots.shadowing import ticked as ticked_alone

CONFIG = SlotsConfig(boots=2, confirm_after=1.0, patience=0.0)  # 50 ticks


@pytest.fixture
def slots(tmp_path: Path) -> SlotFolder:
    folder = SlotFolder(tmp_path / "slots", CONFIG)
    folder.install(make_model(make_contract()), "ann")
    folder.install(make_model(make_contract(), 1), "bob")
    return folder


def tried(slots: SlotFolder, loop: ControlLoop) -> BootTrial:
    boot = slots.boot()
    loop.swap(boot.policy)
    return BootTrial(slots, boot, "run")


def ticked(
    loop: ControlLoop, ticks: int, trial: BootTrial, held: PolicySlots | None = None
) -> SlotState:
    for _ in range(ticks):
        loop.tick()
        trial.look(loop, None if held is None else held.last_canary)
    return trial._slots.status()


def test_good_driving_confirms(slots: SlotFolder, loop: ControlLoop) -> None:
    trial = tried(slots, loop)
    assert ticked(loop, 50, trial).pending is not None
    state = ticked(loop, 1, trial)
    assert (state.pending, state.changes[-1].asked_by) == (None, "run")
    assert state.good is not None
    assert state.good.sha256 == trial.boot.policy.sha256
    assert trial.described().endswith("it is confirmed after 1 s")
    trial.close()


def test_a_reaction_of_the_guard_starts_the_time_anew(
    slots: SlotFolder, loop: ControlLoop, robot: LegRobot
) -> None:
    trial = tried(slots, loop)
    ticked(loop, 40, trial)
    robot.values["joint_vel"][0, 0] = np.nan
    ticked(loop, 1, trial)
    robot.values["joint_vel"][0, 0] = 0
    assert ticked(loop, 49, trial).pending is not None
    assert ticked(loop, 2, trial).pending is None


def test_a_latched_guard_rejects(slots: SlotFolder, loop: ControlLoop, robot: LegRobot) -> None:
    trial = tried(slots, loop)
    ticked(loop, 5, trial)
    robot.values["joint_vel"][0, 0] = np.nan
    state = ticked(loop, 10, trial)
    assert state.pending is None
    assert state.changes[-1].reason == "the guard latched stop by sensor_not_finite"
    assert slots.boot().slot == "good"


def test_another_policy_that_drives_meanwhile_is_not_judged(
    slots: SlotFolder, loop: ControlLoop
) -> None:
    before = loop.controller.policy
    trial = tried(slots, loop)
    ticked(loop, 40, trial)
    loop.swap(before)
    assert ticked(loop, 80, trial).pending is not None


def test_a_folder_that_is_locked_is_tried_again(slots: SlotFolder, loop: ControlLoop) -> None:
    trial = tried(slots, loop)
    with SlotFolder(slots.path)._locked():
        assert ticked(loop, 60, trial).pending is not None
        assert "another process writes slots" in trial.failure
    assert ticked(loop, 1, trial).pending is None
    assert trial.failure == ""


def test_one_that_was_replaced_meanwhile_is_not_confirmed(
    slots: SlotFolder, loop: ControlLoop
) -> None:
    trial = tried(slots, loop)
    slots.install(make_model(make_contract(), 2), "cat")
    state = ticked(loop, 120, trial)
    assert state.pending is not None
    assert state.pending.asked_by == "cat"
    assert "is not pending" in trial.failure


def taking_turns(
    slots: SlotFolder, seed: int = 1, bias: float = 0.0
) -> tuple[Session, PolicySlots, BootTrial]:
    """A session of the good policy, beside which the pending one is a canary."""
    if (seed, bias) != (1, 0.0):
        slots.install(make_model(make_contract(), seed, bias=bias), "cat")
    trial = boot_trial(slots, "run", as_canary=True)
    assert (trial.boot.slot, slots.status().boots) == ("good", 1)
    session = make_session(LegRobot())
    session.swap(trial.boot.policy)
    held = PolicySlots(session)
    ticked_alone(session.loop, 20)
    assert trial.tried is not None
    probation = ProbationConfig(seconds=0.4, window_seconds=0.1)
    held.canary(trial.tried.policy, CanaryConfig(0.2, slices=2, probation=probation))
    return session, held, trial


def test_what_passes_as_a_canary_is_confirmed(slots: SlotFolder) -> None:
    session, held, trial = taking_turns(slots)
    assert trial.tried is not None
    tried = trial.tried.policy
    with closing(held):
        for ticks in range(41 + 20):
            assert slots.status().pending is not None, f"after {ticks} ticks"
            session.loop.tick()
            trial.look(session.loop, held.last_canary)
    good = slots.status().good
    assert good is not None
    assert good.sha256 == session.policy.sha256 == tried.sha256
    assert trial.described().endswith("it is confirmed as a canary")
    held.roll_back()
    trial.rolled_back(tried, "ann")
    good = slots.status().good
    assert good is not None
    assert good.sha256 == trial.boot.policy.sha256
    assert slots.status().changes[-1].asked_by == "ann"


def test_what_fails_as_a_canary_is_rejected(slots: SlotFolder) -> None:
    session, held, trial = taking_turns(slots, bias=1e5)
    with closing(held):
        state = ticked(session.loop, 12, trial, held)
    assert state.pending is None
    assert "times the clip" in state.changes[-1].reason
    assert trial.as_dictionary()["rejected"][-1]["reason"] == state.changes[-1].reason
    trial.close()


def test_an_undecided_canary_stays_pending_and_costs_no_start(slots: SlotFolder) -> None:
    session, held, trial = taking_turns(slots)
    ticked(session.loop, 15, trial, held)
    held.end_canary()
    held.close()
    trial.look(session.loop, held.last_canary)
    trial.close()
    assert session.policy is trial.boot.policy
    state = slots.status()
    assert state.pending is not None
    assert state.boots == 0


def test_where_none_is_trusted_the_pending_one_drives(slots: SlotFolder) -> None:
    good = slots.status().good
    assert good is not None
    slots._file(good).write_bytes(b"damaged")
    trial = boot_trial(slots, "run", as_canary=True)
    assert (trial.boot.slot, trial.tried) == ("pending", None)


def test_a_start_that_ends_before_it_drives_is_given_back(slots: SlotFolder) -> None:
    for _ in range(5):
        with booted(slots.path, CONFIG, "run") as trial:
            assert trial.boot.is_pending
    assert slots.status().boots == 0


def test_one_that_does_not_fit_the_robot_is_rejected(slots: SlotFolder) -> None:
    with pytest.raises(ContractError), booted(slots.path, CONFIG, "run"):
        raise ContractError("drives joint 'tail', which the robot does not have")
    assert slots.status().pending is None
    assert "'tail'" in slots.status().changes[-1].reason


def test_the_command_shows_switches_and_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"{seed}.onnx")
        paths[-1].write_bytes(make_model(make_contract(), seed))
    folder, log = str(tmp_path / "slots"), str(tmp_path / "audit")
    assert sim2edge(["slots", folder, "install", str(paths[0])]) == 0
    assert "is in no audit log yet" in capsys.readouterr().out
    key = begun(tmp_path / "audit")
    audit = ["--audit", log, "--asked-by", "ann"]
    assert sim2edge(["slots", folder, "install", str(paths[1]), *audit]) == 0
    assert sim2edge(["slots", folder, "confirm", *audit]) == 0
    assert sim2edge(["slots", folder, "roll-back", "--reason", "it limps", *audit]) == 0
    shown = capsys.readouterr().out
    assert "rolled back" in shown and "ann: it limps" in shown
    assert "no audit log" not in shown
    for words, why in (
        (["reject"], "no policy is pending"),
        (["install"], "POLICY is missing"),
        (["confirm", "--audit", "nowhere"], "is no audit log"),
    ):
        assert sim2edge(["slots", folder, *words]) == 2
        error = capsys.readouterr().err
        assert why in error and error.count("\n") == 1
    assert [(r.event, r.details.get("asked_by")) for r in records_of(tmp_path / "audit")][2:] == [
        ("policy installed", "ann"),
        ("policy confirmed", "ann"),
        ("policy rolled back", "ann"),
    ]
    assert verify(tmp_path / "audit", key).intact
    with AuditLog(tmp_path / "audit"):  # a robot that drives holds it
        assert sim2edge(["slots", folder, "install", str(paths[1]), *audit]) == 2
    assert SlotFolder(tmp_path / "slots").status().pending is None, "nothing was changed"
