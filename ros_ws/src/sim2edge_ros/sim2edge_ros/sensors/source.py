"""Keeps a sensor topic's newest valid reading, and what is wrong with the other messages."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edge_runtime.loop.handover import LatestValue
from edge_runtime.safety.possible import ImpossibleReading
from edge_runtime.signals import Array
from sim2edge_ros.messages import cdr
from sim2edge_ros.sensors.readers import BadMessage, OthersMessage
from sim2edge_ros.sensors.series import Series
from sim2edge_ros.sensors.stamps import StampGate

# s of difference to the node's clock from which on the stamps count as another clock's
_FOREIGN = 1.0
_HEARD = 2.0  # s for which a publisher that was heard counts as there


class _StrangersMessage(Exception):  # noqa: N818  it is no error of the program
    """Marks a message of a second publisher."""


class Reading(NamedTuple):
    """Holds what a message says."""

    stamp: float  # s, of its header
    values: Mapping[str, Array]  # by name


class Pace(NamedTuple):
    """Says how often messages are expected."""

    silence: float = 0.5  # s without a message that are too long
    slow: float = 0.0  # 1/s, a rate below is reported
    fast: float = math.inf  # 1/s, a rate above is reported


ANY_PACE = Pace()


class Source:
    """Puts a topic's messages, in the subscriber's thread, into a slot that the loop reads.

    Args:
        topic: name of the topic, for messages to people.
        kind: class of its messages, which begin with a std_msgs/Header.
        read: decodes a message's bytes; raises `BadMessage`.
        now: returns the node's time in s.
        use: called with the stamp and content of each valid message; returns what the slot is
            filled with, or None to leave it.
        taken: called after that.
        pace: the expected rate.
    """

    def __init__(
        self,
        topic: str,
        kind: Any,
        read: Callable[[bytes], Any],
        now: Callable[[], float],
        use: Callable[[float, Any], Mapping[str, Array] | None] = lambda stamp, values: values,
        taken: Callable[[], None] = lambda: None,
        pace: Pace = ANY_PACE,
    ) -> None:
        self.topic, self.kind, self._read, self._now = topic, kind, read, now
        self._use, self._taken, self._pace = use, taken, pace
        self.gate = StampGate()
        self.slot: LatestValue[Reading | None] = LatestValue(None)
        self.received, self.rejected = 0, 0  # messages
        self.complaint = ""  # what is wrong with the last message
        self.arrived = -math.inf  # s on the node's clock, when the last message of any kind came
        self._series = Series()
        # S, when the last message came of a second publisher, and of each set of others' joints.
        self._strange, self._others = -math.inf, dict[tuple[str, ...], float]()
        self.publishers: tuple[str, ...] = ()  # names of the nodes, if more than one publishes
        self.incompatible = ""  # the quality of service of a publisher that cannot be received

    def take(self, data: bytes, number: int | None = None) -> None:
        """Takes a message's bytes as they came; never raises.

        Args:
            data: the message.
            number: its place in its publisher's count; None if the middleware does not say.
        """
        now, steady = self._now(), time.monotonic()
        try:
            why = self._judge(data, number, now, steady)
        except OthersMessage as others:
            recent = {names: at for names, at in self._others.items() if 0.0 <= now - at < _HEARD}
            self._others = recent | {others.args: now}
            return
        except _StrangersMessage:
            self._strange = now
            self.received, self.rejected = self.received + 1, self.rejected + 1
            return
        except (BadMessage, ImpossibleReading) as bad:
            why = str(bad)
        except Exception as error:  # no message, whatever it holds, may end the thread
            why = f"{type(error).__name__}: {error}"
        self.arrived, self.complaint = now, why
        self.received += 1
        if why:
            self.rejected += 1
        else:
            self._taken()

    def _judge(self, data: bytes, number: int | None, now: float, steady: float) -> str:
        """Uses a message and returns nothing, or returns why it cannot be used."""
        data = cdr.plain(data, self.kind)
        seconds, nanoseconds = cdr.stamp(data)
        stamp = seconds + nanoseconds * 1e-9
        bad, found = None, None
        try:
            found = self._read(data)  # first, so that a bad message's stamp changes nothing
        except (BadMessage, ImpossibleReading) as error:
            bad = error
        if not self._series.has(number, now):
            raise _StrangersMessage
        if bad is not None:
            raise bad
        if not self.gate.passes(stamp, now, steady):
            return self.gate.complaint
        values = self._use(stamp, found)
        if values is not None:
            self.slot.put(Reading(stamp, values))
        return ""

    @property
    def expected(self) -> float:
        """Returns how many publishers are right: one, and one for each set of others' joints that
        comes; any number where a second publisher of the robot's would be known."""
        if self.hears_strangers:
            return 1
        now = self._now()
        others = sum(0.0 <= now - at < _HEARD for at in self._others.values())
        return math.inf if others and self.tells_apart else 1 + others

    @property
    def hears_strangers(self) -> bool:
        """Returns whether messages of a second publisher have come lately."""
        return 0.0 <= self._now() - self._strange < _HEARD

    @property
    def tells_apart(self) -> bool:
        """Returns whether the messages of a second publisher are known, and refused."""
        return self._series.tells_apart(self._now())

    @property
    def trouble(self) -> str:
        """Returns one line on what is wrong; empty if all is well."""
        if self.publishers:
            refused = "; the later one's messages are refused" if self.tells_apart else ""
            return f"{self.topic}: {' and '.join(self.publishers)} publish it; stop one{refused}"
        if self.complaint:
            return f"{self.topic}: {self.complaint}"
        if self.incompatible:
            return f"{self.topic}: {self.incompatible}"
        if not self.received:
            return f"{self.topic}: nothing was received"
        if self._now() - self.arrived > self._pace.silence:
            return f"{self.topic}: nothing for {self._now() - self.arrived:.1f} s"
        return ""

    def remarks(self, rate: float) -> list[str]:
        """Returns what is unusual but works, a line each.

        Args:
            rate: measured rate of the messages, 1/s; 0 if unknown.
        """
        remarks = []
        offset = self.gate.offset
        if offset is not None and abs(offset) > _FOREIGN:
            remarks.append(f"its stamps are {offset:+.4g} s from this node's clock")
        slow, fast = self._pace.slow, self._pace.fast
        if rate and not slow <= rate <= fast:
            expected = f"at least {slow:.3g}" if rate < slow else f"at most {fast:.3g}"
            remarks.append(f"{rate:.3g} messages a second, {expected} are expected")
        return [f"{self.topic}: {remark}" for remark in remarks]
