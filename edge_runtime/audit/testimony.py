"""Checks what records say of the log itself: checkpoints, and the removal of old records."""

from edge_runtime.audit.audit_log import BEGUN, CHECKPOINT, REMOVED
from edge_runtime.audit.record import Record
from edge_runtime.audit.sequence import numbered
from edge_runtime.audit.signature import is_signed
from edge_runtime.audit.verdict import Verdict


class Testimony:
    """Takes the sound records in order, and holds them against each other.

    Args:
        public: the robot's public key, hexadecimal; empty if it is not known.
        sealed: whether the seals of records were verified, so that the key they name is the
            robot's.
        start: the number of the first record that is still there.
        verdict: gets what is found.
    """

    def __init__(self, public: str, sealed: bool, start: int, verdict: Verdict) -> None:
        self.public = public
        self._sealed, self._start, self._verdict = sealed, start, verdict
        self._removed: tuple[int, str] | None = None  # the first number, and the hash before it

    def begin(self, record: Record) -> None:
        """Takes the first record that is there; those before it must have been removed."""
        if self._start:
            self._removed = record.number, record.before

    def take(self, record: Record, before: int) -> None:
        """Takes a record.

        Args:
            record: the record.
            before: how many records are before it.
        """
        details = record.details
        named = str(details.get("public_key", ""))
        if record.event in (BEGUN, CHECKPOINT) and self._sealed:
            self.public = self.public or named
        if record.event == REMOVED and self._removed is not None:
            first, hash_ = self._removed
            if (details.get("through"), details.get("hash")) == (first - 1, hash_):
                self._removed = None
        if record.event == CHECKPOINT:
            signature = str(details.get("signature", ""))
            if not is_signed(self.public or named, record.before, signature):
                self._verdict.find(f"{record.described()} is not signed by the robot's key")
            elif self.public:
                self._verdict.signed = before

    def end(self) -> None:
        """Names records that are gone from the beginning without a record of that."""
        if self._removed is not None:
            missing = numbered(0, self._removed[0] - 1)
            self._verdict.find(f"{missing} missing, and no record says that they were removed")
