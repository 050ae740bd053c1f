"""Whether a message's stamp can be true, and which control period it belongs to."""

import math

_JUMP = 0.5  # s by which a stamp may leave the pace of the node's clock
_REBASE = 1.0  # s after which a clock that went elsewhere is taken as it is
_DRIFT = 0.01  # share of a difference that is learned with each message


class StampGate:
    """Lets a topic's messages through in the order of their stamps, at the pace of time.

    A constant offset from the node's clock is no fault: the robot may have a clock of its own. One
    that jumps is, until it has stayed where it is for a second: then the robot's clock was set, or
    its driver restarted.
    """

    def __init__(self) -> None:
        self.stamp = -math.inf  # s, of the last message let through
        self.complaint = ""  # against the last message; empty if it was let through
        self.offset: float | None = None  # s, of the stamps from the node's clock
        self.refused = 0  # messages
        self._new_offset, self._since = 0.0, math.nan  # of messages that were refused

    def passes(self, stamp: float, now: float) -> bool:
        """Whether a message may be used.

        Args:
            stamp: of the message, s.
            now: when it arrived by the node's clock, s.
        """
        if not math.isfinite(stamp):
            return self._refuse("its stamps are no numbers")
        offset = stamp - now
        if self.offset is None:
            self.offset = offset
        jumps = abs(offset - self.offset) > _JUMP
        if (jumps or stamp <= self.stamp) and not self._settled(offset, now):
            if stamp == self.stamp:
                return self._refuse("its stamps stand still")
            if jumps:
                return self._refuse(f"its stamps jumped by {offset - self.offset:+.3g} s")
            return self._refuse("its stamps go back")
        if jumps:
            self.offset = offset
        self.offset += _DRIFT * (offset - self.offset)
        self.stamp, self.complaint, self._since = stamp, "", math.nan
        return True

    def _settled(self, offset: float, now: float) -> bool:
        """Whether the stamps have kept another pace for long enough."""
        if math.isnan(self._since) or abs(offset - self._new_offset) > 0.1 * _JUMP:
            self._new_offset, self._since = offset, now
        return now - self._since > _REBASE

    def _refuse(self, complaint: str) -> bool:
        self.complaint = complaint
        self.refused += 1
        return False


class PeriodClock:
    """Counts the robot's control periods by its stamps.

    Period n ends at `origin + n * period`. The sequence that `sample` gives grows by one from
    period to period, also over a jump of the stamps.

    Args:
        period: s.
    """

    def __init__(self, period: float) -> None:
        self.period = period
        self._origin: float | None = None
        self._last = 0.0  # s, the newest stamp
        self._first = 0  # number of the period at the origin
        self._number = 0

    def align(self, stamp: float) -> None:
        """Let a period end here, if none has yet: where the slower sensors are read."""
        if self._origin is None:
            self._origin = self._last = stamp

    @property
    def aligned(self) -> bool:
        return self._origin is not None

    def number(self, stamp: float, slack: float = 1e-5) -> int:
        """Of the period a reading belongs to; the clock must be aligned.

        Args:
            stamp: of the reading, s.
            slack: s after a period's end that still belong to it, for stamps are not exact.
        """
        assert self._origin is not None
        if stamp < self._last - self.period or stamp > self._last + 1e3 * self.period:
            # Another clock: go on with the next period, as if nothing were between.
            self._first, self._origin = self._number + 1, stamp
        self._last = max(stamp, self._last) if stamp >= self._origin else stamp
        self._number = self._first + math.ceil((stamp - slack - self._origin) / self.period)
        return self._number

    def phase(self, stamp: float) -> float:
        """How much of the period that `number` gave last has passed at a reading; 1 at its end."""
        assert self._origin is not None
        return (stamp - self._origin) / self.period - (self._number - self._first) + 1.0
