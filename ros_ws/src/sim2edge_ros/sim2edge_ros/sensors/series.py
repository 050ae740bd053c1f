"""Tells a topic's publishers apart by the numbers that the middleware gives to their messages."""

import math

_LOST = 200  # messages that may be lost in a row
_SILENT = 0.5  # s without a message of the publisher after which another may take its place


class Series:
    """Follows the messages of the publisher that came first.

    Each publisher counts its messages. One that begins while another is heard has numbers far from
    that one's. Some middlewares and releases give no numbers; then all messages count as one
    publisher's.
    """

    def __init__(self) -> None:
        self.numbered = False  # whether the middleware gives numbers
        self._number = 0  # of the publisher's last message
        self._arrived = -math.inf  # s, when that came

    def has(self, number: int | None, now: float) -> bool:
        """Returns whether a message is the publisher's.

        Args:
            number: the message's, from its publisher's count; None if it is not known.
            now: when it arrived, s.
        """
        if number is None:
            return True
        heard = self.numbered and 0.0 <= now - self._arrived <= _SILENT
        if heard and not 0 < number - self._number <= _LOST:
            return False
        self.numbered, self._number, self._arrived = True, number, now
        return True
