"""Describes a record of the audit log, and what binds it to the records before it.

Each record holds the hash of the one before (a hash chain, Haber and Stornetta, "How to time-stamp
a digital document", 1991) and a seal: a MAC under a key that is replaced by its own hash after each
record (Schneier and Kelsey, "Secure audit logs to support computer forensics", 1999). Who takes
over the robot finds the next key alone, so that the records before cannot be sealed anew.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edge_runtime.errors import UserError

NOTHING_BEFORE = "0" * 64  # the hash before the first record
HOLE = b"\0"  # stands in no record, but where a power cut left a part of one unwritten
LARGEST = 100_000  # bytes of a record
_HASH = re.compile("[0-9a-f]{64}")
_EVOLVE, _SEAL = b"sim2edge audit: next key", b"sim2edge audit: seal"


@dataclass(frozen=True)
class Record:
    """Holds what happened, when, and who asked for it."""

    number: int  # from 0, over all segments of the log
    time: str  # UTC, ISO 8601, by the robot's clock
    uptime: float  # s since the robot was started, for its clock may be wrong
    event: str
    who: str  # user and host
    details: Mapping[str, Any]
    before: str  # hash of the record before, hexadecimal
    seal: str = ""  # hexadecimal

    def line(self) -> bytes:
        """Returns the record as it stands in the log: one line of JSON, without its end."""
        return _canonical({**self._content(), "seal": self.seal})

    def sealed(self, key: bytes) -> "Record":
        """Returns the record with the seal of its key."""
        return Record(**self._content(), seal=self.seal_by(key))

    def seal_by(self, key: bytes) -> str:
        """Returns the seal that the key of this record's number gives, hexadecimal."""
        return hmac.new(key, _SEAL + _canonical(self._content()), hashlib.sha256).hexdigest()

    def is_sealed_by(self, key: bytes) -> bool:
        """Returns whether the record is as it was written by the holder of its key."""
        return hmac.compare_digest(self.seal, self.seal_by(key))

    def described(self) -> str:
        """Names the record in a few words."""
        return f"record {self.number} ({self.event}, {self.time})"

    def _content(self) -> dict[str, Any]:
        names = ("number", "time", "uptime", "event", "who", "details", "before")
        return {name: getattr(self, name) for name in names}


def parse(line: bytes) -> Record:
    """Reads a record from its line.

    Raises:
        UserError: it is damaged.
    """
    try:
        if len(line) > LARGEST:
            raise ValueError("too long")
        record = Record(**json.loads(line))
        if not _is_whole(record) or record.line() != line:
            raise ValueError("other types, or another form")
    except (ValueError, TypeError, RecursionError):
        raise UserError("no record") from None
    return record


def _is_whole(record: Record) -> bool:
    """Returns whether each field is of its type; raises a ValueError where text is not."""
    numbers = type(record.number) is int and record.number >= 0
    clocks = isinstance(record.uptime, float | int) and isinstance(record.time, str)
    words = isinstance(record.event, str) and isinstance(record.who, str)
    hashes = all(isinstance(h, str) and _HASH.fullmatch(h) for h in (record.before, record.seal))
    zoned = clocks and datetime.fromisoformat(record.time).tzinfo is not None
    return numbers and words and hashes and zoned and isinstance(record.details, dict)


def digest(line: bytes) -> str:
    """Returns the hash of a record's line, hexadecimal."""
    return hashlib.sha256(line).hexdigest()


def next_key(key: bytes) -> bytes:
    """Returns the key of the next record, from which this record's key cannot be found."""
    return hashlib.sha256(_EVOLVE + key).digest()


def key_of(first: bytes, number: int) -> bytes:
    """Returns the key of a record, from that of record 0."""
    for _ in range(number):
        first = next_key(first)
    return first


def _canonical(document: Mapping[str, Any]) -> bytes:
    """Returns one line of JSON, the same for the same content."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()
