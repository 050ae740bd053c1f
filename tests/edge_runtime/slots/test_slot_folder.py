"""Policies on disk: a new one is tried, confirmed or rejected, and only a sound one ever drives."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.errors import ContractError, UserError
from edge_runtime.slots import slot_state
from edge_runtime.slots.slot_folder import CHANGES_LOST, SlotFolder, SlotsConfig
from edge_runtime.slots.slot_state import KEPT, MOST_WAITING, STATE_FILE
from tests.edge_runtime.leg import make_contract, make_model

MODELS = [make_model(make_contract(), seed) for seed in range(4)]
QUICK = SlotsConfig(patience=0.0)


@pytest.fixture
def slots(tmp_path: Path) -> SlotFolder:
    """A folder whose good policy is the second and whose one before is the first."""
    folder = SlotFolder(tmp_path / "slots", QUICK)
    folder.install(MODELS[0], "ann")
    folder.install(MODELS[1], "ann")
    folder.confirm("ann")
    return folder


def drives(slots: SlotFolder) -> tuple[str, int]:
    """Which slot drives at a start, and the number of its policy."""
    boot = slots.boot()
    return boot.slot, MODELS.index(boot.model)


def files(slots: SlotFolder) -> list[str]:
    return sorted(path.name for path in slots.path.glob("policy-*"))


def damage(slots: SlotFolder, slot: str) -> None:
    kept = getattr(slots.status(), slot)
    path = slots.path / f"policy-{kept.sha256[:16]}.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def changes(slots: SlotFolder) -> list[tuple[str, str, str]]:
    return [(c.what, c.asked_by, c.reason) for c in slots.status().changes]


def test_the_first_policy_is_good_for_there_is_none_to_go_back_to(tmp_path: Path) -> None:
    slots = SlotFolder(tmp_path / "new" / "slots")
    slots.install(MODELS[0], "ann")
    for _ in range(5):
        assert drives(slots) == ("good", 0)
    with pytest.raises(UserError, match="no other policy to go back to"):
        slots.roll_back("ann")


def test_a_pending_policy_drives_until_it_is_confirmed(slots: SlotFolder) -> None:
    slots.install(MODELS[2], "bob")
    boot = slots.boot()
    assert (boot.slot, boot.boots_left, boot.model) == ("pending", 2, MODELS[2])
    slots.confirm("bob", boot.policy.sha256)
    for _ in range(5):
        assert drives(slots) == ("good", 2)
    state = slots.status()
    assert (state.boots, state.pending) == (0, None)
    assert len(files(slots)) == 2, "the oldest is removed"
    assert changes(slots)[-2:] == [("installed", "bob", ""), ("confirmed", "bob", "")]


def test_each_start_is_counted_before_and_the_last_rejects(slots: SlotFolder) -> None:
    slots.install(MODELS[2], "bob")
    for start in (1, 2, 3):
        assert drives(slots) == ("pending", 2)
        assert SlotFolder(slots.path).status().boots == start
    boot = slots.boot()
    assert (boot.slot, boot.model) == ("good", MODELS[1])
    assert "not confirmed in 3 starts" in boot.described()
    assert changes(slots)[-1] == ("rejected", "boot", "not confirmed in 3 starts")
    assert drives(slots) == ("good", 1)
    assert len(files(slots)) == 2


def test_a_start_without_driving_is_given_back(slots: SlotFolder) -> None:
    slots.install(MODELS[2], "bob")
    boot = slots.boot()
    slots.uncount(boot.policy.sha256)
    assert slots.status().boots == 0
    with pytest.raises(UserError, match="is not pending"):
        slots.uncount("0" * 64)


def test_a_start_that_ends_in_loading_counts(
    slots: SlotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a library crashes the process on a policy's network."""
    slots.install(MODELS[2], "bob")

    def crash(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(slots, "_load", crash)
        with pytest.raises(SystemExit):
            slots.boot()
    assert slots.status().boots == 1


def test_rejecting_and_rolling_back(slots: SlotFolder) -> None:
    slots.install(MODELS[2], "bob")
    slots.reject("it stumbles", "bob")
    assert drives(slots) == ("good", 1)
    with pytest.raises(UserError, match="no policy is pending"):
        slots.reject("again", "bob")
    slots.install(MODELS[2], "bob")
    slots.roll_back("cat")
    assert drives(slots) == ("good", 1)
    slots.roll_back("cat", "it limps")
    assert drives(slots) == ("good", 0)
    assert [change[1:] for change in changes(slots)[-4:]] == [
        *(("bob", "it stumbles"), ("bob", ""), ("cat", "rolled back"), ("cat", "it limps")),
    ]
    with pytest.raises(UserError, match="no other policy to go back to"):
        slots.roll_back("cat")
    assert len(files(slots)) == 1


def test_a_verdict_is_for_the_policy_that_drove(slots: SlotFolder) -> None:
    slots.install(MODELS[2], "bob")
    drove = slots.boot().policy.sha256
    slots.install(MODELS[3], "cat")
    for decide in (lambda: slots.confirm("run", drove), lambda: slots.reject("", "run", drove)):
        with pytest.raises(UserError, match=f"policy {drove[:16]} is not pending"):
            decide()
    assert drives(slots) == ("pending", 3)
    assert ("rejected", "cat", "policy took its place") in changes(slots)


@pytest.mark.parametrize(
    ("damaged", "driver"),
    [
        (["pending"], ("good", 1)),
        (["good"], ("pending", 2)),
        (["pending", "good"], ("before", 0)),
        (["before"], ("pending", 2)),
    ],
)
def test_a_damaged_policy_never_drives(
    slots: SlotFolder, damaged: list[str], driver: tuple[str, int]
) -> None:
    slots.install(MODELS[2], "bob")
    for slot in damaged:
        damage(slots, slot)
    boot = slots.boot()
    assert (boot.slot, MODELS.index(boot.model)) == driver
    assert boot.described().count("is damaged") == len(damaged) * (boot.slot != "pending")
    assert (slots.status().pending is None) == ("pending" in damaged)


def test_without_a_sound_policy_it_is_refused_in_one_line(slots: SlotFolder) -> None:
    for slot in ("good", "before"):
        damage(slots, slot)
    with pytest.raises(UserError, match=r"no policy that may drive \(policy .*damaged; .*install"):
        slots.boot()
    slots.install(MODELS[1], "ann")
    assert drives(slots) == ("good", 1)
    with pytest.raises(UserError, match="so there is no policy to go back to"):
        slots.roll_back("ann")
    for path in slots.path.glob("policy-*"):
        path.unlink()
    with pytest.raises(UserError, match="cannot read policy"):
        slots.boot()


def test_only_a_sound_policy_for_this_robot_comes_in(slots: SlotFolder, tmp_path: Path) -> None:
    before = slots.status()
    with pytest.raises(ContractError, match="not a readable policy"):
        slots.install(MODELS[2][:-100], "bob")
    with pytest.raises(ContractError, match="its weights lie in another file"):
        slots.install(make_model(make_contract(), external="w.bin"), "bob")
    with pytest.raises(ContractError, match="for robot 'arm', and the good policy here for 'leg'"):
        slots.install(make_model(make_contract(robot="arm")), "bob")
    with pytest.raises(UserError, match="is the good policy of"):
        slots.install(MODELS[1], "bob")
    with pytest.raises(UserError, match="there is no file"):
        slots.install(Path("nothing"), "bob")
    assert slots.status() == before
    path = tmp_path / "new.onnx"
    path.write_bytes(MODELS[2])
    pending = slots.install(path, "bob").pending
    assert pending is not None
    assert pending.source == str(path)


def test_a_damaged_state_is_refused_in_one_line(slots: SlotFolder) -> None:
    path = slots.path / STATE_FILE
    sound = path.read_text()
    for content in (
        sound[:-10],
        sound.replace("ann", "eve"),
        sound.replace('"boots": 0', '"boots": -1'),
        "{}",
        '{"state": 1, "sha256": 2}',
        "",
    ):
        path.write_text(content)
        with pytest.raises(UserError, match="slots.json is damaged; remove it, and install"):
            slots.boot()
    path.unlink()
    with pytest.raises(UserError, match="holds no policies .*sim2edge slots .* install"):
        slots.boot()
    slots.install(MODELS[3], "ann")
    assert drives(slots) == ("good", 3)


def test_leavings_of_a_power_cut_are_removed_and_nothing_else(slots: SlotFolder) -> None:
    left = [
        f".4711.{STATE_FILE}",
        ".12.policy-0123456789abcdef.onnx",
        "policy-0123456789abcdef.onnx",
    ]
    kept = ["notes.txt", "policy.onnx", ".4711.other"]
    for name in (*left, *kept):
        (slots.path / name).touch()
    slots.install(MODELS[2], "bob")
    names = {path.name for path in slots.path.iterdir()}
    assert names & {*left, *kept} == set(kept)


def test_a_second_writer_is_refused_in_one_line(slots: SlotFolder) -> None:
    with SlotFolder(slots.path)._locked():
        for call in (
            slots.boot,
            lambda: slots.install(MODELS[2], "bob"),
            lambda: slots.roll_back("bob"),
        ):
            with pytest.raises(UserError, match="another process writes slots"):
                call()
        assert slots.status().good is not None, "anybody may look"
    assert drives(slots) == ("good", 1)


def test_a_change_waits_for_an_audit_log(slots: SlotFolder) -> None:
    noted: list[tuple[str, int, str]] = []

    def note(event: str, details: Any) -> None:
        json.dumps(details)
        noted.append((event, details["number"], details["asked_by"]))

    slots.record(note, lambda: False)  # the log's disk is full
    assert len(noted) == 3
    slots.record(note)
    assert noted[3:] == noted[:3]
    assert noted[0] == ("policy installed", 0, "ann")
    slots.record(note)
    assert len(noted) == 6
    slots.install(MODELS[2], "bob")
    slots.record(note)
    assert noted[6:] == [("policy installed", 3, "bob")]


def test_changes_wait_for_a_log_however_many_there_are(slots: SlotFolder) -> None:
    for number in range(20):
        slots.install(MODELS[2], f"bob {number}")
        slots.reject("no", "bob")
    noted: list[int] = []
    slots.record(lambda _, details: noted.append(details["number"]))
    assert noted == list(range(43))
    slots.install(MODELS[2], "bob")
    assert len(slots.status().changes) == KEPT, "what a log holds is dropped"


def test_a_slow_disk_takes_the_changes_bit_by_bit(slots: SlotFolder) -> None:
    for _ in range(20):
        slots.install(MODELS[2], "bob")
        slots.reject("no", "bob")
    answers, noted = [True, False], list[int]()
    slots.record(lambda _, details: noted.append(details["number"]), lambda: answers.pop(0))
    assert 0 < slots.status().recorded < 43
    noted = noted[: slots.status().recorded]
    slots.record(lambda _, details: noted.append(details["number"]))
    assert noted == list(range(43))


def test_how_many_changes_were_dropped_is_recorded_and_the_state_stays_small(
    slots: SlotFolder,
) -> None:
    longest = "\N{ROBOT FACE}" * 1000
    state, slot = slots.status(), slot_state.new_slot(64 * "0", longest, longest)
    for _ in range(2 * MOST_WAITING):
        state = state.changed("installed", slot, longest, longest)
    slot_state.write_state(slots.path, state)
    assert slots.status() == state, "it can be read again"
    noted: list[tuple[str, Any]] = []
    slots.record(lambda event, details: noted.append((event, dict(details))))
    lost = 3 + MOST_WAITING
    first = {"changes": lost, "first": 0, "slots": str(slots.path)}
    assert noted[0] == (CHANGES_LOST, first)
    assert [details["number"] for _, details in noted[1:]] == list(range(lost, lost + MOST_WAITING))
    assert slots.status().lost == 0


def test_a_full_disk_leaves_all_as_it_was(
    slots: SlotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, names = slots.status(), sorted(os.listdir(slots.path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        for call in (lambda: slots.install(MODELS[2], "bob"), lambda: slots.roll_back("bob")):
            with pytest.raises(UserError, match="No space left on device; make room"):
                call()
    assert slots.status() == before
    assert sorted(os.listdir(slots.path)) == names
    assert drives(slots) == ("good", 1)
