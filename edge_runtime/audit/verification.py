"""Verifies an audit log, and names what was changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_runtime.audit.countersignature import COUNTERSIGNED_FILE, read_countersignature
from edge_runtime.audit.key_file import KEY_FILE, NextKey, read_next_key
from edge_runtime.audit.record import HOLE, digest, parse
from edge_runtime.audit.seals import Seals
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.sequence import RecordSequence, Seen
from edge_runtime.audit.testimony import Testimony
from edge_runtime.audit.verdict import Receipt, Verdict
from edge_runtime.errors import UserError
from edge_runtime.files import is_locked

_MOST_FINDINGS = 1000  # after which a log is not read on


def verify(
    folder: Path,
    first_key: bytes | None = None,
    public: str = "",
    receipts: Mapping[str, Receipt] | None = None,
    server: str = "",
) -> Verdict:
    """Verifies a log, which may be written meanwhile.

    Args:
        folder: the log, or a copy of it.
        first_key: the key of record 0.
        public: the robot's public key, hexadecimal; by default the one that sealed records name.
        receipts: what others have seen of the log, by their names.
        server: the public key of the server that countersigns the log, hexadecimal.

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
    reading = _Reading(first_key, public, segments[0].first)
    verdict = reading.verdict
    for segment in segments:
        for number, line in enumerate(segment.lines(), 1):
            reading.take(line, f"line {number} of {segment.path.name}")
            if len(verdict.findings) >= _MOST_FINDINGS:
                return verdict
    if trouble:
        verdict.find(trouble)
    reading.torn |= segments[-1].is_torn()
    receipts = receipts or {}
    if not receipts:
        verdict.unchecked.append("an older state put back whole (give --receipt)")
    seen = [*receipts.items(), *_countersigned(folder, server, verdict)]
    reading.end(seen, following, written)
    return verdict


def _countersigned(folder: Path, server: str, verdict: Verdict) -> list[Seen]:
    """Returns what a server has seen, by the receipt that lies beside the log."""
    path = folder / COUNTERSIGNED_FILE
    if not path.exists():
        if server:
            verdict.unchecked.append(
                f"what the server has signed ({COUNTERSIGNED_FILE} is not here; give the server's "
                "receipt with --receipt)"
            )
        return []
    try:
        found = read_countersignature(path)
    except UserError as error:
        verdict.find(str(error))
        return []
    if not server:
        verdict.unchecked.append(
            f"whether the server has signed {COUNTERSIGNED_FILE} (give --server-public)"
        )
    elif not found.is_signed_by(server):
        verdict.find(f"{COUNTERSIGNED_FILE} is not signed by the server's key: it was changed")
        return []
    else:
        verdict.countersigned = f"record {found.number} on {found.time}"
    return [("the server" if server else COUNTERSIGNED_FILE, found.receipt)]


class _Reading:
    """Takes a log's lines in order, and compares its end with what others know.

    The seals tell who wrote a record, the sequence where it stands, and the testimony what it says
    of the log.
    """

    def __init__(self, first_key: bytes | None, public: str, first: int) -> None:
        self.verdict = Verdict()
        self.torn = False  # whether a part of the last line is missing
        self._seals = Seals(first_key, first)
        self._sequence = RecordSequence(first, self._seals, self.verdict)
        self._testimony = Testimony(public, first_key is not None, first, self.verdict)
        self._damaged = ""  # the line before, if it holds no record

    def take(self, line: bytes, where: str) -> None:
        """Takes the next line of the log."""
        self.torn = HOLE in line
        sequence = self._sequence
        try:
            record = parse(line)
        except UserError:
            self._settle_damage()
            self._damaged = where
            sequence.unlink()
            return
        self.verdict.records += 1
        if self._damaged and record.number == sequence.expected + 1 and self._seals.hold(record):
            self._lose_a_record()
        self._settle_damage()
        if not sequence.hashes and record.number == sequence.expected:
            self._testimony.begin(record)
        if sequence.take(record):
            self._testimony.take(record, len(sequence.hashes) - 1)
            self.verdict.last = Receipt(record.number, digest(line))

    def end(self, seen: Sequence[Seen], following: NextKey | None, written: bool) -> None:
        """Compares the log's end with what others know.

        Args:
            seen: who has seen what.
            following: the robot's key file, as it was before the log was read; None without it.
            written: whether a process was writing.
        """
        by_key = list[Seen]()
        if following is None:
            self.verdict.unchecked.append(f"whether the end was cut off ({KEY_FILE} is not here)")
        else:
            self._compare_key(following, written)
            if following.number:
                by_key = [("the key file", Receipt(following.number - 1, following.before))]
        self._end_damage(following)
        self._sequence.compare([*seen, *by_key])
        self._sequence.end()
        self._testimony.end()
        self._say_what_was_not_checked()

    def _compare_key(self, following: NextKey, written: bool) -> None:
        """Compares the log with the robot's key file."""
        number, expected = following.number, self._sequence.expected
        if not self._seals.give(following):
            self.verdict.find(
                f"{KEY_FILE} does not hold the key of record {number}: it was changed"
            )
        if expected - number == 1 and not written:
            self.verdict.remarks.append(
                f"record {number} was interrupted before its key was forgotten, as by a power cut"
            )
        elif expected - number > 1 and not written:
            self.verdict.find(
                f"{KEY_FILE} counts {number} records, the log has {expected}: one of them is "
                "of another time"
            )

    def _end_damage(self, following: NextKey | None) -> None:
        """Says what a last line is that holds no record."""
        complete = following is not None and following.number <= self._sequence.expected
        if self._damaged and self.torn and (complete or following is None):
            self.verdict.remarks.append(f"{self._damaged} is cut off, as by a power cut")
        elif self._damaged and not complete:
            self._lose_a_record()
        else:
            self._settle_damage()

    def _lose_a_record(self) -> None:
        """Notes that the line before was the record that is expected."""
        lost = self._sequence.expected
        self.verdict.find(f"{self._damaged} is damaged: record {lost} stood there")
        self._damaged, self._sequence.expected = "", lost + 1

    def _settle_damage(self) -> None:
        """Notes that the line before holds nothing, and that no record is missing for it."""
        if self._damaged:
            self.verdict.find(f"{self._damaged} is damaged, and no record is missing there")
        self._damaged = ""

    def _say_what_was_not_checked(self) -> None:
        unchecked = self.verdict.unchecked
        if not self._seals.verified:
            unchecked.append("records that were sealed anew (give --key)")
        if not self._testimony.public:
            unchecked.append("signatures (give --key or --public)")
