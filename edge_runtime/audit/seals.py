"""Tells by the first key of an audit log whether a record was sealed by its writer."""

from edge_runtime.audit.key_file import NextKey
from edge_runtime.audit.record import Record, key_of

FARTHEST = 100_000  # records that one may be ahead of the one before
_OLDEST = 100_000_000  # records that may have been removed from the log's beginning


class Seals:
    """Finds the key of each record, from that of record 0.

    Args:
        first_key: the key of record 0; None if it is not known, so that no seal can be verified.
        start: the number of the first record that is still there.
    """

    def __init__(self, first_key: bytes | None, start: int) -> None:
        self._first, self._start = first_key, start
        self._known: tuple[int, bytes] | None = None  # of a record, from which later ones' follow
        if first_key is not None and start <= _OLDEST:
            self._known = start, key_of(first_key, start)

    @property
    def verified(self) -> bool:
        """Returns whether there is a key to verify seals with."""
        return self._first is not None

    def hold(self, record: Record) -> bool:
        """Returns whether a record has its key's seal; True without a key to tell."""
        if self._known is None or self._first is None:
            return self._first is None
        number, key = self._known
        if record.number < number:
            number, key = 0, self._first
        if record.number - number > max(FARTHEST, self._start):
            return False
        found = key_of(key, record.number - number)
        if not record.is_sealed_by(found):
            return False
        if record.number > self._known[0]:
            self._known = record.number, found
        return True

    def give(self, following: NextKey) -> bool:
        """Returns whether a key file holds the key of its record; True without a key to tell."""
        if self._first is None or following.number > _OLDEST:
            return True
        return following.key == key_of(self._first, following.number)
