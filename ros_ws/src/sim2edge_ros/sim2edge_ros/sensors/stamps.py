"""Judges whether a message's stamp can be true, and finds the control period it belongs to."""

import math

_JUMP = 0.5  # s by which a stamp may deviate from the node's clock
_REBASE = 1.0  # s after which a changed clock is accepted
_DRIFT = 0.01  # weight of a new difference in the learned one


class StampGate:
    """Lets a topic's messages pass in the order of their stamps, at the rate of the node's clock.

    A constant offset from the node's clock is no fault: the robot may have a clock of its own. A
    jump is a fault until the new offset has stayed for a second: then the robot's clock was set, or
    its driver restarted. If the node's clock went back too, a simulation began restarted.
    """

    def __init__(self) -> None:
        self.stamp = -math.inf  # s, of the last message that passed
        self.complaint = ""  # what is wrong with the last message; empty if it passed
        self.offset: float | None = None  # s, of the stamps from the node's clock
        self.restarted = False  # whether the last message is the first after a jump
        self._now = math.nan  # s on the node's clock, when the last message passed
        self._new_offset, self._since = 0.0, math.nan  # of messages that were refused

    def passes(self, stamp: float, now: float) -> bool:
        """Returns whether a message may be used.

        Args:
            stamp: the message's stamp, s.
            now: when it arrived on the node's clock, s.
        """
        if not math.isfinite(stamp):
            return self._refuse("its stamps are not numbers")
        offset = stamp - now
        if self.offset is None:
            self.offset = offset
        jumps, goes_on = abs(offset - self.offset) > _JUMP, stamp > self.stamp
        began_anew = now < self._now and not jumps and not goes_on
        if (jumps or not goes_on) and not began_anew and not self._settled(offset, now):
            if stamp == self.stamp:
                return self._refuse("its stamps stand still")
            if jumps:
                return self._refuse(f"its stamps jumped by {offset - self.offset:+.3g} s")
            return self._refuse("its stamps go back")
        if jumps:
            self.offset = offset
        self.offset += _DRIFT * (offset - self.offset)
        self.restarted = jumps or not goes_on
        self.stamp, self._now = stamp, now
        self.complaint, self._since = "", math.nan
        return True

    def _settled(self, offset: float, now: float) -> bool:
        """Returns whether the stamps have kept their new offset for long enough."""
        if math.isnan(self._since) or abs(offset - self._new_offset) > 0.1 * _JUMP:
            self._new_offset, self._since = offset, now
        return now - self._since > _REBASE

    def _refuse(self, complaint: str) -> bool:
        self.complaint = complaint
        return False


class PeriodClock:
    """Counts the robot's control periods by its stamps, on a time that never goes back.

    Periods end where the slower sensors are read. After a jump of the stamps, as when the robot's
    clock was set, the next period follows the last, for estimators and guard need a time that
    grows.

    Args:
        period: s.
    """

    def __init__(self, period: float) -> None:
        self.period = period
        self.time = math.nan  # s, of the last reading; it begins with the first stamp
        self._shift = 0.0  # s, offset of the stamps from this time
        self._end: float | None = None  # s in stamps, the end of some period
        self._count: int | None = None  # periods from there to the last reading's
        self._number = 0

    def align(self, stamp: float, restarted: bool = False) -> None:
        """Lets a period end here, if none has yet.

        Args:
            stamp: when the slower sensors were read, s.
            restarted: whether it is the first stamp after a jump.
        """
        if self._end is None or restarted:
            self._end, self._count = stamp, None if self.aligned else 0

    @property
    def aligned(self) -> bool:
        """Returns whether the clock knows where periods end."""
        return self._end is not None

    def number(self, stamp: float, slack: float = 1e-5, restarted: bool = False) -> int:
        """Returns the number of the period that a reading belongs to; the clock must be aligned.

        Args:
            stamp: the reading's stamp, s.
            slack: s after a period's end that still belong to it, for stamps are not exact.
            restarted: whether the reading is the first after a jump.
        """
        assert self._end is not None
        if restarted and not math.isnan(self.time):
            self._shift, self._count = stamp - self.time - self.period, None
        self.time = stamp - self._shift
        count = math.ceil((stamp - slack - self._end) / self.period)
        self._number += 1 if self._count is None else max(count - self._count, 0)
        self._count = count
        return self._number

    def phase(self, stamp: float) -> float:
        """Returns the share of the period last numbered that has passed at a reading; 1
        at its end."""
        assert self._end is not None
        assert self._count is not None
        return (stamp - self._end) / self.period - self._count + 1.0
