"""Follows the numbers and hashes of an audit log's records."""

from collections.abc import Iterable

from edge_runtime.audit.record import NOTHING_BEFORE, Record, digest
from edge_runtime.audit.seals import FARTHEST, Seals
from edge_runtime.audit.verdict import Receipt, Verdict

Seen = tuple[str, Receipt]  # who has seen a log, and what of it


class RecordSequence:
    """Takes records in the order of the log; names those that are missing, moved or foreign.

    Args:
        first: the number of the first record.
        seals: tells which records were sealed by the log's writer.
        verdict: gets what is found.
    """

    def __init__(self, first: int, seals: Seals, verdict: Verdict) -> None:
        self.expected = first
        """Number of the next record."""
        self.hashes: dict[int, str] = {}
        """Hashes of the records so far, by their numbers."""
        self._seals, self._find = seals, verdict.find
        self._before: str | None = None if first else NOTHING_BEFORE  # hash of the last record
        self._missing: list[tuple[int, int]] = []  # first and last number

    def take(self, record: Record) -> bool:
        """Takes the next record; returns whether it stands in its place and has its seal."""
        if record.number < self.expected:
            self._take_late(record)
            return False
        return (record.number == self.expected or self._skip_to(record)) and self._take_next(record)

    def unlink(self) -> None:
        """Forgets the last record's hash, since what stood behind it cannot be read."""
        self._before = None

    def compare(self, seen: Iterable[Seen]) -> None:
        """Compares the records with what others have seen of them."""
        for name, receipt in seen:
            if receipt.number >= self.expected:
                missing = numbered(self.expected, receipt.number)
                self._find(f"{missing} missing: {name} has seen more")
            elif self.hashes.get(receipt.number, receipt.hash) != receipt.hash:
                self._find(f"record {receipt.number} is not the one that {name} has seen")

    def end(self) -> None:
        """Names the records that are missing between others."""
        for first, last in self._missing:
            self._find(f"{numbered(first, last)} missing")

    def _take_next(self, record: Record) -> bool:
        hash_ = digest(record.line())
        sealed = self._seals.hold(record)
        linked = self._before is None or record.before == self._before
        if not sealed:
            what = "was changed" if linked else "does not belong to this log"
            self._find(f"{record.described()} {what}")
        elif not linked:
            self._find(f"record {record.number - 1} was changed before {record.described()}")
        self.hashes[record.number] = hash_
        self._before = hash_ if sealed else None
        self.expected = record.number + 1
        return sealed

    def _take_late(self, record: Record) -> None:
        """Takes a record that stands behind later ones."""
        hash_ = digest(record.line())
        if self.hashes.get(record.number) == hash_:
            self._find(f"{record.described()} stands in the log twice: it was replayed")
            return
        place = [(a, b) for a, b in self._missing if a <= record.number <= b]
        if not place or not self._seals.hold(record):
            self._find(f"{record.described()} does not belong to this log")
            return
        self._find(f"{record.described()} stands behind record {self.expected - 1}")
        self.hashes[record.number] = hash_
        first, last = place[0]
        rest = [(first, record.number - 1), (record.number + 1, last)]
        kept = [span for span in self._missing if span != place[0]]
        self._missing = sorted([*kept, *((a, b) for a, b in rest if a <= b)])

    def _skip_to(self, record: Record) -> bool:
        """Goes on from a later number than the next; returns whether the record may have it."""
        if record.number - self.expected > FARTHEST or not self._seals.hold(record):
            self._find(f"{record.described()} does not belong to this log")
            return False
        self._missing.append((self.expected, record.number - 1))
        self._before, self.expected = None, record.number
        return True


def numbered(first: int, last: int) -> str:
    """Names one or more records, with the verb that follows."""
    return f"record {first} is" if first == last else f"records {first} to {last} are"
