"""Begins audit logs for tests, and reads them."""

from pathlib import Path

from edge_runtime.audit.audit_log import RetentionConfig, begin_log
from edge_runtime.audit.record import Record, parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.keys.key_file import new_key


def begun(folder: Path, retention: RetentionConfig | None = None) -> bytes:
    """Begins a log, and returns the key of its first record."""
    key = new_key()
    begin_log(folder, key, retention)
    return key


def records_of(folder: Path) -> list[Record]:
    return [parse(line) for segment in segments_of(folder) for line in segment.lines()]


def events_of(folder: Path) -> list[str]:
    return [record.event for record in records_of(folder)]


def file_of(folder: Path) -> Path:
    (segment,) = segments_of(folder)
    return segment.path


def lines_of(folder: Path) -> list[bytes]:
    return file_of(folder).read_bytes().splitlines()


def rewrite(folder: Path, lines: list[bytes]) -> None:
    file_of(folder).write_bytes(b"".join(line + b"\n" for line in lines))
