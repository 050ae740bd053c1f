"""Verifies an audit log, and names what was changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_runtime.audit.audit_log import BEGUN, CHECKPOINT, REMOVED
from edge_runtime.audit.key_file import KEY_FILE, NextKey, read_next_key
from edge_runtime.audit.record import HOLE, NOTHING_BEFORE, Record, digest, key_of, parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.signature import is_signed
from edge_runtime.errors import UserError
from edge_runtime.files import is_locked

_FARTHEST = 100_000  # records that one may be ahead of the one before
_OLDEST = 100_000_000  # records that may have been removed from the log's beginning
_MOST_FINDINGS = 1000  # after which a log is not read on


@dataclass(frozen=True)
class Receipt:
    """Holds what somebody else has seen of a log: the number of a record, and its hash."""

    number: int
    hash: str


@dataclass
class Verdict:
    """Says what was found in a log."""

    records: int = 0  # lines that hold one
    signed: int = 0  # records before the last checkpoint with a signature of the trusted key
    last: Receipt | None = None  # of the last sound record
    findings: list[str] = field(default_factory=list)  # a line for each change
    unchecked: list[str] = field(default_factory=list)  # what could not be looked for, and why
    remarks: list[str] = field(default_factory=list)  # what is unusual, but no change

    @property
    def intact(self) -> bool:
        """Returns whether nothing was changed, as far as it could be looked for."""
        return not self.findings


def verify(
    folder: Path,
    first_key: bytes | None = None,
    public: str = "",
    receipts: Mapping[str, Receipt] | None = None,
) -> Verdict:
    """Verifies a log, which may be written meanwhile.

    Args:
        folder: the log, or a copy of it.
        first_key: the key of record 0.
        public: the robot's public key, hexadecimal; by default the one that sealed records name.
        receipts: what others have seen of the log, by their names.

    Raises:
        UserError: there is no log, or it cannot be read.
    """
    # Before the log, which may grow meanwhile.
    written, following, trouble = is_locked(folder), None, ""
    if (folder / KEY_FILE).exists():
        try:
            following = read_next_key(folder)
        except UserError as error:
            trouble = str(error)
    segments = segments_of(folder)
    reader = _Reader(first_key, public, segments[0].first)
    for segment in segments:
        for number, line in enumerate(segment.lines(), 1):
            reader.take(line, f"line {number} of {segment.path.name}")
            if len(reader.verdict.findings) >= _MOST_FINDINGS:
                return reader.verdict
    if trouble:
        reader.verdict.findings.append(trouble)
    reader.torn |= segments[-1].is_torn()
    return reader.end(receipts or {}, following, written)


class _Reader:
    """Verifies records one by one, in the order of the log."""

    def __init__(self, first_key: bytes | None, public: str, first: int) -> None:
        self.verdict = Verdict()
        self._first_key = first_key
        self._public = public
        self._expected = first  # number of the next record
        self._before: str | None = None if first else NOTHING_BEFORE  # hash of the last record
        self._key: tuple[int, bytes] | None = None  # of a record, from which later ones' follow
        if first_key is not None and first <= _OLDEST:
            self._key = first, key_of(first_key, first)
        self._removed: tuple[int, str] | None = None  # the first number, and the hash before it
        self._damaged = ""  # the line before, if it holds no record
        self.torn = False  # whether a part of the last line is missing
        self._hashes: dict[int, str] = {}  # of all records, by their numbers
        self._missing: list[tuple[int, int]] = []  # first and last number
        self._start = first

    def take(self, line: bytes, where: str) -> None:
        """Takes the next line of the log."""
        self.torn = HOLE in line
        try:
            record = parse(line)
        except UserError:
            self._settle_damage()
            self._damaged, self._before = where, None
            return
        self.verdict.records += 1
        if self._damaged and record.number == self._expected + 1 and self._is_sealed(record):
            self._find(f"{self._damaged} is damaged: record {self._expected} stood there")
            self._damaged, self._expected = "", record.number
        self._settle_damage()
        if self._start and not self._hashes and record.number == self._expected:
            self._removed = record.number, record.before
        if record.number < self._expected:
            self._take_late(record)
        elif record.number == self._expected or self._skip_to(record):
            self._take_next(record)

    def end(
        self, receipts: Mapping[str, Receipt], following: NextKey | None, written: bool
    ) -> Verdict:
        """Compares the log's end with what others know, and returns what was found.

        Args:
            receipts: what they have seen, by their names.
            following: the robot's key file, as it was before the log was read; None without it.
            written: whether a process was writing.
        """
        seen = {name: (receipt.number, receipt.hash) for name, receipt in receipts.items()}
        if following is None:
            self.verdict.unchecked.append(f"whether the end was cut off ({KEY_FILE} is not here)")
        else:
            self._compare_key(following, written)
            if following.number:
                seen["the key file"] = following.number - 1, following.before
        complete = following is not None and following.number <= self._expected
        if self._damaged and self.torn and (complete or following is None):
            self.verdict.remarks.append(f"{self._damaged} is cut off, as by a power cut")
        elif self._damaged and complete:
            self._settle_damage()
        elif self._damaged:
            self._find(f"{self._damaged} is damaged: record {self._expected} stood there")
            self._expected += 1
        for name, (number, known) in seen.items():
            if number >= self._expected:
                self._find(f"{_named(self._expected, number)} missing: {name} has seen more")
            elif self._hashes.get(number, known) != known:
                self._find(f"record {number} is not the one that {name} has seen")
        for first, last in self._missing:
            self._find(f"{_named(first, last)} missing")
        if self._removed is not None:
            last = self._removed[0] - 1
            self._find(f"{_named(0, last)} missing, and no record says that they were removed")
        self._say_what_was_not_checked(receipts)
        return self.verdict

    def _compare_key(self, following: NextKey, written: bool) -> None:
        """Compares the log with the robot's key file."""
        number = following.number
        first = self._first_key
        if first is not None and number <= _OLDEST and following.key != key_of(first, number):
            self._find(f"{KEY_FILE} does not hold the key of record {number}: it was changed")
        more = self._expected - number
        if more == 1 and not written:
            self.verdict.remarks.append(
                f"record {number} was interrupted before its key was forgotten, as by a power cut"
            )
        elif more > 1 and not written:
            self._find(
                f"{KEY_FILE} counts {number} records, the log has {self._expected}: one of them is "
                "of another time"
            )

    def _say_what_was_not_checked(self, receipts: Mapping[str, Receipt]) -> None:
        unchecked = self.verdict.unchecked
        if self._first_key is None:
            unchecked.append("records that were sealed anew (give --key)")
        if not self._public:
            unchecked.append("signatures (give --key or --public)")
        if not receipts:
            unchecked.append("an older state put back whole (give --receipt)")

    def _take_next(self, record: Record) -> None:
        hash_ = digest(record.line())
        sealed = self._is_sealed(record)
        linked = self._before is None or record.before == self._before
        if not sealed:
            what = "was changed" if linked else "does not belong to this log"
            self._find(f"{record.described()} {what}")
        elif not linked:
            self._find(f"record {record.number - 1} was changed before {record.described()}")
        if sealed:
            self._look_into(record)
            self.verdict.last = Receipt(record.number, hash_)
        self._hashes[record.number] = hash_
        self._before = hash_ if sealed else None
        self._expected = record.number + 1

    def _take_late(self, record: Record) -> None:
        """Takes a record that stands behind later ones."""
        if self._hashes.get(record.number) == digest(record.line()):
            self._find(f"{record.described()} stands in the log twice: it was replayed")
            return
        place = [(a, b) for a, b in self._missing if a <= record.number <= b]
        if not place or not self._is_sealed(record):
            self._find(f"{record.described()} does not belong to this log")
            return
        self._find(f"{record.described()} stands behind record {self._expected - 1}")
        self._hashes[record.number] = digest(record.line())
        first, last = place[0]
        rest = [(first, record.number - 1), (record.number + 1, last)]
        kept = [span for span in self._missing if span != place[0]]
        self._missing = sorted([*kept, *((a, b) for a, b in rest if a <= b)])

    def _skip_to(self, record: Record) -> bool:
        """Goes on from a later number than the next; returns whether the record may have it."""
        if record.number - self._expected > _FARTHEST or not self._is_sealed(record):
            self._find(f"{record.described()} does not belong to this log")
            return False
        self._missing.append((self._expected, record.number - 1))
        self._before, self._expected = None, record.number
        return True

    def _look_into(self, record: Record) -> None:
        details = record.details
        named = str(details.get("public_key", ""))
        if record.event in (BEGUN, CHECKPOINT) and self._first_key is not None:
            self._public = self._public or named
        if record.event == REMOVED and self._removed is not None:
            first, before = self._removed
            if (details.get("through"), details.get("hash")) == (first - 1, before):
                self._removed = None
        if record.event == CHECKPOINT:
            signature = str(details.get("signature", ""))
            if not is_signed(self._public or named, record.before, signature):
                self._find(f"{record.described()} is not signed by the robot's key")
            elif self._public:
                self.verdict.signed = len(self._hashes)

    def _is_sealed(self, record: Record) -> bool:
        """Returns whether a record has its key's seal; True without a key to tell."""
        if self._key is None or self._first_key is None:
            return self._first_key is None
        number, key = self._key
        if record.number < number:
            number, key = 0, self._first_key
        if record.number - number > max(_FARTHEST, self._start):
            return False
        found = key_of(key, record.number - number)
        if not record.is_sealed_by(found):
            return False
        if record.number > self._key[0]:
            self._key = record.number, found
        return True

    def _settle_damage(self) -> None:
        """Notes that the line before holds nothing, and that no record is missing for it."""
        if self._damaged:
            self._find(f"{self._damaged} is damaged, and no record is missing there")
        self._damaged = ""

    def _find(self, what: str) -> None:
        self.verdict.findings.append(what)


def _named(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"
