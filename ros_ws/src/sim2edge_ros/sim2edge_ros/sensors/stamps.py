"""Judges whether a message's stamp can be true, and finds the control period it belongs to."""

import math
from typing import NamedTuple

_JUMP = 0.5  # s by which a stamp may deviate from the node's clock
_REBASE = 1.0  # s after which a changed clock is accepted
_SAME = 0.05  # s within which offsets count as those of the same clock
_LEARNS = 0.01  # weight of a new difference in the learned one
_DRIFT = 1e-3  # s/s by which clocks differ at most: quartz 100 ppm, slewed by NTP 500 ppm
_FORGETS = 0.3  # s/s by which the latest of the last messages is forgotten
_RESTART = 10.0  # s of silence after which a sender may have begun anew, with another clock


class _Heard(NamedTuple):
    """Holds when a message was stamped and when it arrived, s."""

    stamp: float
    now: float  # on the node's clock
    steady: float  # on a clock that nobody sets

    @property
    def offset(self) -> float:
        return self.stamp - self.now


class StampGate:
    """Lets a topic's messages pass in the order of their stamps, at the rate of the node's clock.

    A constant offset from the node's clock is no fault: the robot may have a clock of its own. A
    jump is a fault until the new offset has stayed for a second: then the robot's clock was set, or
    its driver restarted. If the node's clock went back too, a simulation began restarted.

    Messages that fall behind without a clock being set wait in a queue somewhere, however slowly it
    grows; they are refused until they catch up. A clock that is set back shows in stamps that go
    back, and one that is set forward in messages earlier than any before; neither comes of waiting.
    """

    def __init__(self) -> None:
        self.stamp = -math.inf  # s, of the last message that passed
        self.complaint = ""  # what is wrong with the last message; empty if it passed
        self.offset: float | None = None  # s, of the stamps from the node's clock, without delay
        self.restarted = False  # whether the last message is the first after a jump
        self._now = math.nan  # s on the node's clock, when the last message passed
        self._new_offset, self._since = 0.0, math.nan  # since a clock was set
        self._last: _Heard | None = None  # the last message that came no earlier than it may
        self._low = math.inf  # s, offset of the latest of the last messages
        self._before: float | None = None  # s, the same before a clock was set so as to fall

    def passes(self, stamp: float, now: float, steady: float | None = None) -> bool:
        """Returns whether a message may be used.

        Args:
            stamp: the message's stamp, s.
            now: when it arrived on the node's clock, s.
            steady: the same on a clock that nobody sets, s; by default, nobody sets the node's.
        """
        if not math.isfinite(stamp):
            return self._refuse("its stamps are not numbers")
        heard = _Heard(stamp, now, now if steady is None else steady)
        if self.offset is None:
            self.offset = self._low = heard.offset
            self._now, self._last = now, heard
        ahead = heard.offset - self.offset
        jumps, goes_on = abs(ahead) > _JUMP, stamp > self.stamp
        began_anew = now < self._now and not jumps and not goes_on
        settled = self._settled(heard, early=ahead > _JUMP)
        if (jumps or not goes_on) and not began_anew and not settled:
            if stamp == self.stamp:
                return self._refuse("its stamps stand still")
            if jumps and math.isnan(self._since):
                return self._refuse(f"it falls behind: its messages come {-ahead:.3g} s late")
            if jumps:
                return self._refuse(f"its stamps jumped by {ahead:+.3g} s")
            return self._refuse("its stamps go back")
        if settled:
            self.offset = self._low = heard.offset
            self._before, self._since = None, math.nan
        else:  # up to that of the shortest delay, down no faster than clocks differ
            drifted = _DRIFT * max(now - self._now, 0.0)
            self.offset += max(_LEARNS * ahead, -drifted)
        self.restarted = jumps or not goes_on
        self.stamp, self._now, self._last = stamp, now, heard
        self.complaint = ""
        return True

    def _settled(self, heard: _Heard, early: bool) -> bool:
        """Returns whether a clock was set, and its stamps have kept their offset for long enough.

        Args:
            heard: the message.
            early: whether it came earlier than any delay explains.
        """
        if not early and not self._fell(heard):
            self._since = math.nan
        elif math.isnan(self._since) or abs(heard.offset - self._new_offset) > _SAME:
            self._new_offset, self._since = heard.offset, heard.now
        return heard.now - self._since > _REBASE

    def _fell(self, heard: _Heard) -> bool:
        """Returns whether a clock was set so that messages have looked late since."""
        last, low, offset = self._last, self._low, heard.offset
        assert last is not None
        passed = heard.now - last.now
        was_set = (
            heard.stamp < last.stamp
            or passed - (heard.steady - last.steady) > _SAME
            or passed > _RESTART
        )
        self._last, self._low = heard, min(offset, low + _FORGETS * max(passed, 0.0))
        if was_set and offset < low - _SAME:
            self._before = low if self._before is None else self._before
        elif self._before is not None and offset > self._before - _SAME:
            self._low = min(offset, self._before)  # a message came out of turn, no more
            self._before = None
        return self._before is not None

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
