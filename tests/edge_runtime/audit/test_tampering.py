"""Every tampering with an audit log is found and named, or stands in the threat model."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.audit.audit_log import AuditLog
from edge_runtime.audit.key_file import KEY_FILE, NextKey, read_next_key, write_next_key
from edge_runtime.audit.record import Record, digest, next_key, parse
from edge_runtime.audit.signature import Signer
from edge_runtime.audit.verdict import Receipt
from edge_runtime.audit.verification import verify
from tests.edge_runtime.audit.logs import begun, file_of, lines_of, rewrite

EVENTS = ("promoted", "guard", "rolled back", "guard", "promoted")


def a_log(folder: Path) -> bytes:
    """Writes a log of 0 begun, 1 to 5 events, 6 checkpoint, 7 run ends; returns its first key."""
    key = begun(folder)
    with AuditLog(folder) as log:
        for number, event in enumerate(EVENTS):
            log.append(event, {"policy": f"{number:064x}", "for": "ada@bench"})
        log.checkpoint()
        log.append("run ends", {})
    return key


def edited(line: bytes) -> bytes:
    assert b"ada@bench" in line
    return line.replace(b"ada@bench", b"bob@bench")


def resealed(lines: list[bytes], first: int, key: bytes) -> list[bytes]:
    """Chains and seals the records from a number on anew, with that number's key."""
    done = lines[:first]
    for line in lines[first:]:
        content = vars(parse(line)) | {"before": digest(done[-1])}
        done.append(Record(**content).sealed(key).line())
        key = next_key(key)
    return done


def cut_record(lines: list[bytes]) -> list[bytes]:
    return lines[:3] + lines[4:]


def cut_tail(lines: list[bytes]) -> list[bytes]:
    return lines[:6]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def replayed(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[2]]


def changed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], edited(lines[2]), *lines[3:]]


def changed_and_chained(lines: list[bytes]) -> list[bytes]:
    """By somebody who knows the form of the log, but no key."""
    return resealed(changed(lines), 3, b"a guess".ljust(32))


def damaged(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4][:30], *lines[5:]]


TAMPERED: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "changed": (changed, r"record 2 \(guard, .*was changed"),
    "changed, and chained anew": (changed_and_chained, r"record 2 \(guard, .*was changed"),
    "cut out": (cut_record, "record 3 is missing"),
    "cut tail": (cut_tail, "records 6 to 7 are missing: the key file has seen more"),
    "swapped": (swapped, r"record 2 \(guard, .* stands behind record 3"),
    "replayed": (replayed, r"record 2 \(guard, .* stands in the log twice"),
    "damaged": (damaged, "line 5 of audit-000000000000.jsonl is damaged: record 4 stood there"),
}


def test_a_log_that_nobody_touched_is_intact(tmp_path: Path) -> None:
    key = a_log(tmp_path)
    for first_key in (key, None):
        verdict = verify(tmp_path, first_key)
        assert verdict.intact, verdict.findings
        assert (verdict.records, verdict.signed) == (8, 6 if first_key else 0)


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_changed_is_named(name: str, tmp_path: Path) -> None:
    key = a_log(tmp_path)
    tamper, said = TAMPERED[name]
    rewrite(tmp_path, tamper(lines_of(tmp_path)))
    verdict = verify(tmp_path, key)
    assert any(re.search(said, finding) for finding in verdict.findings), verdict.findings


@pytest.mark.parametrize("name", [name for name in TAMPERED if "anew" not in name])
def test_without_a_key_it_is_found_too(name: str, tmp_path: Path) -> None:
    a_log(tmp_path)
    rewrite(tmp_path, TAMPERED[name][0](lines_of(tmp_path)))
    assert not verify(tmp_path).intact


def test_without_a_key_to_verify_the_signature_tells_what_was_chained_anew(tmp_path: Path) -> None:
    a_log(tmp_path)
    rewrite(tmp_path, changed_and_chained(lines_of(tmp_path)))
    assert any("is not signed by the robot's key" in f for f in verify(tmp_path).findings)


def test_records_of_another_log_are_foreign(tmp_path: Path) -> None:
    key, other = a_log(tmp_path / "a"), a_log(tmp_path / "b")
    lines, foreign = lines_of(tmp_path / "a"), lines_of(tmp_path / "b")
    for place in range(len(lines)):
        rewrite(tmp_path / "a", [*lines[:place], foreign[place], *lines[place + 1 :]])
        findings = verify(tmp_path / "a", key).findings
        assert any(f"record {place} (" in finding for finding in findings), findings
    rewrite(tmp_path / "a", [*lines, *foreign])
    assert not verify(tmp_path / "a", key).intact
    assert not verify(tmp_path / "b", key).intact
    assert verify(tmp_path / "b", other).intact


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_can_be_flipped(tmp_path: Path, place: float, bit: int) -> None:
    folder = tmp_path / "log"
    key = a_log(folder) if not folder.exists() else (tmp_path / "key").read_bytes()
    if not (tmp_path / "key").exists():
        (tmp_path / "key").write_bytes(key)
        shutil.copy(file_of(folder), tmp_path / "sound")
    content = bytearray((tmp_path / "sound").read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    file_of(folder).write_bytes(content)
    assert not verify(folder, key).intact


def test_who_takes_the_robot_over_cannot_change_what_was_before(tmp_path: Path) -> None:
    """All that lies on the robot, the keys too, is known from record 8 on."""
    key = a_log(tmp_path)
    stolen = read_next_key(tmp_path).key
    lines = changed(lines_of(tmp_path))
    lines[2] = parse(lines[2]).sealed(stolen).line()
    rewrite(tmp_path, signed_anew(tmp_path, resealed(lines, 3, stolen), stolen))
    write_next_key(tmp_path, NextKey(8, stolen, digest(lines_of(tmp_path)[-1])))
    findings = verify(tmp_path, key).findings
    assert any("record 2 (guard" in finding for finding in findings), findings


def signed_anew(folder: Path, lines: list[bytes], key: bytes) -> list[bytes]:
    """Signs the checkpoint, record 6, again, and chains what follows."""
    content = vars(parse(lines[6]))
    signer = Signer(folder)
    signature = {"signature": signer.sign(content["before"]), "public_key": signer.public}
    checkpoint = Record(**content | {"details": signature}).sealed(key).line()
    return resealed([*lines[:6], checkpoint, lines[7]], 7, next_key(key))


@pytest.mark.parametrize("how", ["forged", "of an older time", "damaged", "gone"])
def test_a_cut_tail_is_found_whatever_becomes_of_the_key_file(how: str, tmp_path: Path) -> None:
    key = a_log(tmp_path)
    older = read_next_key(tmp_path).key
    lines = cut_tail(lines_of(tmp_path))
    rewrite(tmp_path, lines)
    path = tmp_path / KEY_FILE
    if how == "damaged":
        path.write_text("[]")
    elif how == "gone":
        path.unlink()
    else:
        write_next_key(
            tmp_path, NextKey(6, b"x" * 32 if how == "forged" else older, digest(lines[-1]))
        )
    verdict = verify(tmp_path, key)
    if how == "gone":  # as on a copy
        assert verdict.intact
        assert any("whether the end was cut off" in what for what in verdict.unchecked)
    else:
        assert any("next.key" in finding for finding in verdict.findings), verdict.findings


def test_another_robots_signatures_are_not_trusted(tmp_path: Path) -> None:
    """A log that was written anew as a whole, with another key."""
    a_log(tmp_path / "log")
    with AuditLog(tmp_path / "log") as log:
        public = log.public
    a_log(tmp_path / "forged")
    assert verify(tmp_path / "log", public=public).signed == 6
    assert not verify(tmp_path / "forged", public=public).intact
    unknown = verify(tmp_path / "forged")
    assert (unknown.intact, unknown.signed) == (True, 0)
    assert any("signatures" in what for what in unknown.unchecked)


@pytest.mark.parametrize(
    "change",
    [{"seal": "\u00e9" * 64}, {"time": "x"}, {"time": "2026-11-30T20:00:00"}, {"number": True}],
    ids=["seal", "time", "zone", "number"],
)
def test_a_forged_form_is_damage_and_no_traceback(
    change: dict[str, object], tmp_path: Path
) -> None:
    key = a_log(tmp_path)
    lines = lines_of(tmp_path)
    forged = Record(**vars(parse(lines[7])) | {"number": 8} | change).line()
    rewrite(tmp_path, [*lines, forged])
    assert any("line 9" in f and "damaged" in f for f in verify(tmp_path, key).findings)
    AuditLog(tmp_path).close()


def test_a_log_may_be_verified_while_it_is_written(tmp_path: Path) -> None:
    key = a_log(tmp_path)
    with AuditLog(tmp_path) as log:
        before = (tmp_path / KEY_FILE).read_bytes()
        for _ in range(3):
            log.append("guard", {})
        (tmp_path / KEY_FILE).write_bytes(before)  # as it was when the verification began
        assert verify(tmp_path, key).intact
    assert any("of another time" in finding for finding in verify(tmp_path, key).findings)


class TestThreatModel:
    """What is out of reach without somebody else's memory, and what that memory finds."""

    def test_an_older_state_put_back_whole_needs_a_receipt(self, tmp_path: Path) -> None:
        key = a_log(tmp_path / "log")
        shutil.copytree(tmp_path / "log", tmp_path / "old")
        with AuditLog(tmp_path / "log") as log:
            log.append("rolled back", {})
        seen = verify(tmp_path / "log", key).last
        assert seen is not None
        assert verify(tmp_path / "old", key).intact
        found = verify(tmp_path / "old", key, receipts={"the fleet": seen}).findings
        assert found == ["record 8 is missing: the fleet has seen more"]

    def test_a_copy_with_a_cut_tail_needs_a_receipt(self, tmp_path: Path) -> None:
        key = a_log(tmp_path / "log")
        seen = verify(tmp_path / "log", key).last
        assert seen == Receipt(7, digest(lines_of(tmp_path / "log")[7]))
        (tmp_path / "copy").mkdir()
        shutil.copy(file_of(tmp_path / "log"), tmp_path / "copy")
        rewrite(tmp_path / "copy", cut_tail(lines_of(tmp_path / "copy")))
        assert verify(tmp_path / "copy", key).intact
        assert not verify(tmp_path / "copy", key, receipts={"the fleet": seen}).intact

    def test_from_a_theft_on_records_can_be_forged(self, tmp_path: Path) -> None:
        key = a_log(tmp_path)
        with AuditLog(tmp_path) as log:
            log.append("promoted", {"policy": "of the thief's"})
        assert verify(tmp_path, key).intact

    def test_who_has_the_first_key_can_forge_all(self, tmp_path: Path) -> None:
        key = a_log(tmp_path)
        lines = changed(lines_of(tmp_path))[:4]
        second = next_key(next_key(key))
        record = parse(lines[2]).sealed(second)
        rewrite(tmp_path, resealed([*lines[:2], record.line(), lines[3]], 3, next_key(second)))
        (tmp_path / KEY_FILE).unlink()
        assert verify(tmp_path, key).intact
