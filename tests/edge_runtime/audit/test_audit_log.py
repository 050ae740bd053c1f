"""The audit log survives a power cut at any point, and keeps what it must keep."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.audit.audit_log import AuditLog, RetentionConfig
from edge_runtime.audit.key_file import KEY_FILE, read_next_key
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.signature import SIGNING_KEY
from edge_runtime.audit.verification import verify
from edge_runtime.errors import UserError
from tests.edge_runtime.audit.logs import begun, events_of, records_of

# Of os, by which a log is written.
CALLS = ("write", "fsync", "replace", "open", "close", "truncate", "unlink")


class PowerCut(BaseException):
    """Ends the program at once."""


@contextmanager
def power_cut_after(calls: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets so many calls of the system through; the next one is not made, or a write half."""
    left = calls

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                if name == "write" and left == -1:
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise PowerCut
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counted(name, getattr(os, name)))
        yield


@pytest.mark.parametrize("calls", range(60))
def test_after_a_power_cut_at_any_point_it_goes_on(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a file is full and another is begun, and in mending what the cut before left."""
    key = begun(tmp_path, RetentionConfig(segment_mb=0.0008))
    done: list[str] = []
    try:
        with power_cut_after(calls, monkeypatch), AuditLog(tmp_path) as log:
            for event in ("promoted", "guard", "rolled back"):
                log.append(event, {})
                done.append(event)
            log.checkpoint()
    except PowerCut:
        pass
    dead = verify(tmp_path, key)
    assert dead.intact, dead.findings
    with suppress(PowerCut), power_cut_after(calls % 7, monkeypatch):
        AuditLog(tmp_path).close()
    with AuditLog(tmp_path) as log:
        log.append("began again", {})
        log.checkpoint()
    verdict = verify(tmp_path, key)
    assert verdict.intact, verdict.findings
    events = [event for event in events_of(tmp_path) if event not in ("log mended", "checkpoint")]
    assert events[: 1 + len(done)] == ["log begun", *done], "what was acknowledged is there"
    assert events[-1] == "began again"


def test_each_record_is_on_the_disk_before_its_key_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path)
    made: list[str] = []
    with AuditLog(tmp_path) as log, monkeypatch.context() as patch:
        for name in ("write", "fsync", "replace"):
            real = getattr(os, name)

            def noted(*arguments: Any, name: str = name, real: Any = real) -> Any:
                made.append(name)
                return real(*arguments)

            patch.setattr(os, name, noted)
        log.append("guard", {})
    assert made == ["write", "fsync", "write", "fsync", "replace", "fsync"]


@pytest.mark.parametrize("records", [0, 3])
def test_a_record_whose_end_alone_reached_the_disk_is_removed(records: int, tmp_path: Path) -> None:
    """Disks write sectors in any order, so zeros may stand before the end of a line."""
    key = begun(tmp_path, RetentionConfig(segment_mb=0.0008))
    with AuditLog(tmp_path) as log:
        for _ in range(records):
            log.append("guard", {})
    path = segments_of(tmp_path)[-1].path
    with path.open("ab") as file:
        file.write(bytes(400) + b'"time":"2026"}\n')
    dead = verify(tmp_path, key)
    assert (dead.findings, len(dead.remarks)) == ([], 1)
    with AuditLog(tmp_path) as log:
        log.append("guard", {})
    assert verify(tmp_path, key).intact
    assert events_of(tmp_path)[-2:] == ["log mended", "guard"]


def test_zeros_in_a_record_that_was_whole_are_a_change(tmp_path: Path) -> None:
    key = begun(tmp_path)
    with AuditLog(tmp_path) as log:
        log.append("guard", {})
    (segment,) = segments_of(tmp_path)
    content = segment.path.read_bytes()
    segment.path.write_bytes(content[:-100] + bytes(50) + content[-50:])
    assert "is damaged: record 1 stood there" in verify(tmp_path, key).findings[0]
    AuditLog(tmp_path).close()
    assert not verify(tmp_path, key).intact, "a start removes nothing that was whole"


def test_a_record_that_was_cut_off_is_recorded(tmp_path: Path) -> None:
    key = begun(tmp_path)
    (segment,) = segments_of(tmp_path)
    with segment.path.open("ab") as file:
        file.write(b'{"before":"12')
    AuditLog(tmp_path).close()
    assert [record.event for record in records_of(tmp_path)] == ["log begun", "log mended"]
    assert records_of(tmp_path)[1].details == {"cut_off": '{"before":"12'}
    assert verify(tmp_path, key).intact


def test_a_record_that_lost_its_end_of_line_stays(tmp_path: Path) -> None:
    key = begun(tmp_path)
    (segment,) = segments_of(tmp_path)
    segment.path.write_bytes(segment.path.read_bytes().rstrip(b"\n"))
    AuditLog(tmp_path).close()
    assert events_of(tmp_path) == ["log begun"]
    assert verify(tmp_path, key).intact


@pytest.mark.parametrize("refused", range(12))
def test_a_disk_that_refuses_a_call_forks_nothing(
    refused: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = begun(tmp_path)
    left = refused

    def counted(real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        return call

    with AuditLog(tmp_path) as log:
        with monkeypatch.context() as patch:
            for name in ("write", "fsync", "replace", "open"):
                patch.setattr(os, name, counted(getattr(os, name)))
            with suppress(OSError):
                log.append("promoted", {})
        log.append("guard", {})
    assert events_of(tmp_path) in (["log begun", "promoted", "guard"], ["log begun", "guard"])
    assert verify(tmp_path, key).intact


def test_old_records_are_removed_and_that_is_recorded(tmp_path: Path) -> None:
    """After half a year by default; what is left is verified from the same first key."""
    start = datetime.now(timezone.utc)
    now = start
    key = begun(tmp_path, RetentionConfig(segment_mb=0.0008))  # some records a file
    with AuditLog(tmp_path, lambda: now) as log:
        for day in range(0, 400, 20):
            now = start + timedelta(days=day)
            log.append("guard", {"day": day})
            log.remove_old()
    segments = segments_of(tmp_path)
    assert segments[0].first > 0
    kept = [r.details["day"] for r in records_of(tmp_path) if r.event == "guard"]
    assert kept[-10:] == list(range(200, 400, 20)), "of the last 184 days all are there"
    assert kept[0] > 0
    assert "records removed" in events_of(tmp_path)
    for first_key in (key, None):
        verdict = verify(tmp_path, first_key)
        assert verdict.intact, verdict.findings
    segments[0].path.unlink()
    assert any("no record says" in finding for finding in verify(tmp_path, key).findings)


def test_less_than_six_months_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the longest six months of the calendar; the default is enough."""
    assert (date(2027, 1, 1) - date(2026, 7, 1)).days == RetentionConfig().days
    with caplog.at_level(logging.WARNING):
        begun(tmp_path / "long")
        assert caplog.records == []
        begun(tmp_path / "short", RetentionConfig(days=183))
    (said,) = [record.getMessage() for record in caplog.records]
    assert "keeps records for 183 days; the EU AI Act asks for six months" in said
    assert "articles 19 (1) and 26 (6)" in said
    assert "\n" not in said


@pytest.mark.parametrize("year", [1970, 2099])
def test_a_wrong_clock_removes_no_young_records(year: int, tmp_path: Path) -> None:
    key = begun(tmp_path, RetentionConfig(segment_mb=0.0008))
    wrong = datetime(year, 1, 1, tzinfo=timezone.utc)
    with AuditLog(tmp_path, lambda: wrong) as log:
        for _ in range(6):
            log.append("guard", {})
    with AuditLog(tmp_path) as log:
        log.append("guard", {})
        log.remove_old()
    assert segments_of(tmp_path)[0].first == 0
    assert len(records_of(tmp_path)) == 8
    assert verify(tmp_path, key).intact


def test_no_key_of_the_past_is_kept(tmp_path: Path) -> None:
    first = begun(tmp_path)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / SIGNING_KEY).stat().st_mode & 0o777 == 0o600
    seen = {first, read_next_key(tmp_path).key}
    for _ in range(3):
        with AuditLog(tmp_path) as log:
            log.append("guard", {})
        contents = b"".join(p.read_bytes() for p in tmp_path.iterdir() if p.is_file())
        following = read_next_key(tmp_path).key
        assert following not in seen
        assert not any(key.hex().encode() in contents for key in seen)
        seen.add(following)


def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no audit log .*sim2edge audit new"):
        AuditLog(tmp_path)
    begun(tmp_path / "log")
    with pytest.raises(UserError, match="holds an audit log already"):
        begun(tmp_path / "log")
    with AuditLog(tmp_path / "log"), pytest.raises(UserError, match="another process writes"):
        AuditLog(tmp_path / "log")
    (tmp_path / "log" / KEY_FILE).write_text("[]")
    with pytest.raises(UserError, match="next.key is damaged"):
        AuditLog(tmp_path / "log")


def test_too_many_details_are_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    with AuditLog(tmp_path) as log, pytest.raises(UserError, match="the details of 'guard' have"):
        log.append("guard", {"x": "y" * 200_000})
    assert events_of(tmp_path) == ["log begun"]
