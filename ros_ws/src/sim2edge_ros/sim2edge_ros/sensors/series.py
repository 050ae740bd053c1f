"""Tells a topic's publishers apart by the numbers that the middleware gives to their messages."""

import math

_SILENT = 0.5  # s without a message of the publisher after which another may take its place
_NEAR = 3  # numbers that two publishers' messages differ by when they can be confused
_MISSED = 5.0  # periods without a message of the publisher after which others may be its own
_DOUBT = 5.0  # s for which a confusion is remembered
_LEARNS = 0.1  # share of the newest period in the mean


class Series:
    """Follows the messages of the publisher that came first.

    Each publisher counts its messages. A message is the publisher's if it goes on from its last
    one by no more than it can have published since, and not better from another's. Where the two
    counts come near each other, nobody can tell. Some middlewares and releases give no numbers;
    then all messages count as one publisher's.
    """

    def __init__(self) -> None:
        self._numbered = False  # whether the middleware gives numbers
        self._number = 0  # of the publisher's last message
        self._arrived = -math.inf  # s, when that came
        self._period = 0.0  # s between two of its messages; 0 while unknown
        self._other: int | None = None  # number of another publisher's last message
        self._mixed = -math.inf  # s, when the two counts were last near each other

    def tells_apart(self, now: float) -> bool:
        """Returns whether a second publisher's messages would be known at this time, s."""
        return self._numbered and not 0.0 <= now - self._mixed < _DOUBT

    def has(self, number: int | None, now: float) -> bool:
        """Returns whether a message is the publisher's.

        Args:
            number: the message's, from its publisher's count; None if it is not known.
            now: when it arrived, s.
        """
        if number is None:
            return True
        since, ahead = now - self._arrived, number - self._number
        if not (self._numbered and 0.0 <= since <= _SILENT):
            self._period, self._other = 0.0, None
        elif self._is_other(number, ahead, since):
            if self._other is not None and -_NEAR <= ahead <= _NEAR:
                self._mixed = now
            self._other = number
            return False
        else:
            if self._other is not None and abs(number - self._other) <= _NEAR:
                self._mixed = now
            period = since / ahead
            share = _LEARNS if self._period else 1.0
            self._period += share * (period - self._period)
        self._numbered, self._number, self._arrived = True, number, now
        return True

    def _is_other(self, number: int, ahead: int, since: float) -> bool:
        """Returns whether a message is another publisher's."""
        published = 2.0 * since / self._period if self._period else math.inf
        if not 0 < ahead <= _NEAR + published:
            return True
        if ahead == 1 or self._other is None or since > _MISSED * self._period:
            return False
        return 0 < number - self._other < ahead
