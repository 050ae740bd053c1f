"""Writes the audit log of a robot."""

import getpass
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge_runtime.audit.key_file import KEY_FILE, NextKey, read_next_key, write_next_key
from edge_runtime.audit.record import (
    HOLE,
    LARGEST,
    NOTHING_BEFORE,
    Record,
    digest,
    next_key,
    parse,
)
from edge_runtime.audit.segments import Segment, new_segment, segments_of
from edge_runtime.audit.signature import Signer, new_signing_key
from edge_runtime.config.config_file import read_config, to_json
from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.files import lock, make_folder, sync_folder, write_file

_LOG = logging.getLogger(__name__)
_KIND = "audit log"
SIX_MONTHS = 184.0  # d, of the longest six, such as July to December
RETENTION_FILE = "retention.json"
BEGUN, CHECKPOINT, REMOVED, MENDED = "log begun", "checkpoint", "records removed", "log mended"
# Before this was written no log was: a clock that says so is a robot's without a battery.
_EARLIEST = datetime(2026, 11, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class RetentionConfig:
    """Sets how long an audit log is kept."""

    days: float = setting(
        SIX_MONTHS,
        "How long records are kept at least; the EU AI Act asks for six months (articles 19 (1) "
        "and 26 (6)), and less is warned about.",
        "d",
        above=0,
        at_most=36_525,
    )
    segment_mb: float = setting(
        10.0, "Size from which on a new file is begun.", "MB", above=0, at_most=1000
    )


def begin_log(folder: Path, first: bytes, retention: RetentionConfig | None = None) -> str:
    """Begins a log in a new folder, and returns the robot's public key, hexadecimal.

    Args:
        folder: where.
        first: the key of the first record (`new_key`). Who holds it can verify each record, and
            forge each; it is kept off the robot.
        retention: how long the log is kept.

    Raises:
        UserError: there is a log already, or the folder cannot be written.
    """
    make_folder(folder)
    with lock(folder, _KIND):
        if (folder / KEY_FILE).exists() or any(folder.glob("audit-*")):
            raise UserError(f"{folder} holds an audit log already; name another folder")
        document = to_json(retention or RetentionConfig())
        write_file(folder / RETENTION_FILE, json.dumps(document, indent=2) + "\n")
        try:
            new_signing_key(folder)
            sync_folder(folder)
            # The key comes last, for with it the log is there.
            write_next_key(folder, NextKey(0, first, NOTHING_BEFORE))
        except OSError as error:
            raise UserError(f"cannot write audit log {folder}: {error.strerror}") from None
    with AuditLog(folder) as log:
        return log.public


class AuditLog:
    """Appends records, each through to the disk before `append` returns.

    A power cut leaves at most one record that is cut off; the next start removes it and says so in
    a record. One thread calls the methods.

    Args:
        folder: the log, which `begin_log` made.
        clock: the time now, UTC.

    Raises:
        UserError: there is no log, another process writes it, or it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.folder, self._clock, self._who = folder, clock, user()
        read_next_key(folder)  # first, for a folder without a log gets no lock
        self._lock = lock(folder, _KIND)
        try:
            self._next = read_next_key(folder)
            self.retention = read_config(RetentionConfig, folder / RETENTION_FILE, "retention")
            if self.retention.days < SIX_MONTHS:
                _LOG.warning(
                    f"{folder} keeps records for {self.retention.days:g} days; the EU AI Act asks "
                    f"for six months (articles 19 (1) and 26 (6)): set days to {SIX_MONTHS:g} in "
                    f"{folder / RETENTION_FILE}"
                )
            self._signer = Signer(folder)
            self.public = self._signer.public
            self._unfinished: bytes | None = None  # a record's line whose key is not forgotten yet
            self._segment = Segment(folder, 0)  # the one that is written, found below
            self._begin_or_mend()
        except OSError as error:
            self._lock.close()
            raise UserError(f"cannot write audit log {folder}: {error.strerror}") from None
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> "AuditLog":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def append(self, event: str, details: Mapping[str, Any]) -> Record:
        """Adds a record, and returns it when it is on the disk.

        Args:
            event: what happened, in a few words.
            details: what belongs to it, as JSON can hold it.

        Raises:
            OSError: it cannot be written; the log is as before, or holds the record, and the next
                call goes on from there.
            UserError: the details are too large, or JSON cannot hold them.
        """
        if self._unfinished is not None:
            self._advance(self._unfinished)
        try:
            record = self._record(event, details)
            line = record.line()
        except (TypeError, ValueError) as error:
            raise UserError(f"the details of '{event}' cannot be recorded: {error}") from None
        if len(line) > LARGEST:
            raise UserError(
                f"the details of '{event}' have {len(line)} bytes; {LARGEST} are the most"
            )
        if self._segment.path.stat().st_size >= self.retention.segment_mb * 1e6:
            self._segment = new_segment(self.folder, self._next.number)
        self._write(line + b"\n")
        self._unfinished = line
        # With the record on the disk its key is of no use any more, but to forge it.
        self._advance(line)
        return record

    def checkpoint(self) -> Record:
        """Adds a record with the signature of the robot's key over all records so far.

        Raises:
            OSError: it cannot be written.
        """
        if self._unfinished is not None:
            self._advance(self._unfinished)
        signature = self._signer.sign(self._next.before)
        return self.append(CHECKPOINT, {"signature": signature, "public_key": self.public})

    def remove_old(self) -> None:
        """Removes the files whose records are all older than they must be kept, and records that.

        Raises:
            OSError: a file cannot be removed, or the record not be written.
            UserError: a file cannot be read.
        """
        oldest = self._clock() - timedelta(days=self.retention.days)
        segments = segments_of(self.folder)
        for segment, following in pairwise(segments):
            last, newest = _newest(segment, following)
            if last is None or newest is None or not _EARLIEST <= newest < oldest:
                break
            self.append(REMOVED, {"through": following.first - 1, "hash": digest(last)})
            segment.path.unlink()
            sync_folder(self.folder)

    def close(self) -> None:
        """Lets another process write."""
        self._lock.close()

    def _record(self, event: str, details: Mapping[str, Any]) -> Record:
        return Record(
            self._next.number,
            self._clock().isoformat(timespec="milliseconds"),
            round(time.clock_gettime(time.CLOCK_BOOTTIME), 3),
            event,
            self._who,
            json.loads(json.dumps(details)),
            self._next.before,
        ).sealed(self._next.key)

    def _write(self, content: bytes) -> None:
        file = os.open(self._segment.path, os.O_WRONLY | os.O_APPEND)
        try:
            size = os.fstat(file).st_size
            try:
                if os.write(file, content) != len(content):
                    raise OSError("the disk took a part of the record alone")
                os.fsync(file)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file, size)
                raise
        finally:
            os.close(file)

    def _advance(self, line: bytes) -> None:
        following = NextKey(self._next.number + 1, next_key(self._next.key), digest(line))
        write_next_key(self.folder, following)
        self._next, self._unfinished = following, None

    def _begin_or_mend(self) -> None:
        """Writes the first record, or finishes what a power cut interrupted."""
        if self._next.number == 0 and not any(self.folder.glob("audit-*")):
            new_segment(self.folder, 0)
        self._segment = segments_of(self.folder)[-1]
        before, whole, rest = self._tail()
        if rest and self._is_last(rest):  # its end alone is missing
            self._write(b"\n")
            whole, rest = rest, b""
        elif HOLE in whole and not rest and self._knows(before):  # its end reached the disk
            whole, rest = before, whole + b"\n"
        if rest:
            size = self._segment.path.stat().st_size
            os.truncate(self._segment.path, size - len(rest))
        if self._is_next(whole):
            self._advance(whole)
        if self._next.number == 0:
            self.append(BEGUN, {"log": secrets.token_hex(16), "public_key": self.public})
        if rest:
            self.append(MENDED, {"cut_off": rest[: LARGEST // 4].decode(errors="backslashreplace")})

    def _tail(self) -> tuple[bytes, bytes, bytes]:
        """Returns the last two whole lines, empty where there is none, and what stands behind."""
        with self._segment.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 3 * (LARGEST + 2)))
            *lines, rest = file.read().split(b"\n")
        before, whole = [b"", b"", *lines][-2:]
        return before, whole, rest

    def _knows(self, line: bytes) -> bool:
        """Returns whether a line is the last record that the key file counts.

        An empty one is that where the next record begins a file.
        """
        if not line:
            return self._segment.first == self._next.number
        return digest(line) == self._next.before

    def _is_last(self, line: bytes) -> bool:
        return digest(line) == self._next.before or self._is_next(line)

    def _is_next(self, line: bytes) -> bool:
        """Returns whether a line is the record of the key that is kept, so that it was written."""
        with suppress(UserError):
            record = parse(line)
            return record.number == self._next.number and record.is_sealed_by(self._next.key)
        return False


def _newest(segment: Segment, following: Segment) -> tuple[bytes | None, datetime | None]:
    """Returns a file's last line, and the latest time in it or at the beginning of the next."""
    last, times = None, list[datetime]()
    for line in segment.lines():
        last = line
        with suppress(UserError):
            times.append(datetime.fromisoformat(parse(line).time))
    with suppress(UserError):
        times.append(datetime.fromisoformat(parse(next(following.lines(), b"")).time))
    return last, max(times, default=None)


def user() -> str:
    """Returns who runs this process: user and host."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
