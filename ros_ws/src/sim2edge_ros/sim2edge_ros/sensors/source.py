"""A sensor topic: its newest good reading, and what is wrong with the others."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edge_runtime.loop.handover import LatestValue
from edge_runtime.signals import Array
from sim2edge_ros.messages import cdr
from sim2edge_ros.sensors.readers import BadMessage, NotOurs
from sim2edge_ros.sensors.stamps import StampGate

_FOREIGN = 1.0  # s from the node's clock, from which on the stamps are of another


class Reading(NamedTuple):
    """What a message told."""

    stamp: float  # s, of its header
    values: Mapping[str, Array]  # by signal


class Pace(NamedTuple):
    """How often messages come, as far as it matters."""

    silence: float = 0.5  # s without any that are too long
    slow: float = 0.0  # 1/s, less than which is told
    fast: float = math.inf  # 1/s, more than which is told


ANY_PACE = Pace()


class Source:
    """Takes a topic's messages, in the subscriber's thread, into a slot that the loop reads.

    Args:
        topic: its name, for people.
        kind: class of its messages, which begin with a std_msgs/Header.
        read: what a message's bytes hold; raises `BadMessage`.
        now: the node's clock, s.
        use: called with the stamp and what was read of each message that can be used; gives what
            the slot is filled with, None if it is not.
        taken: called after that.
        pace: that is expected.
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
        self.complaint = ""  # against the last message
        self.arrived = -math.inf  # s by the node's clock, of the last message of any kind
        self.incompatible = ""  # quality of service by which a publisher cannot be heard

    def take(self, data: bytes) -> None:
        """A message, as it came; it never raises."""
        now = self._now()
        try:
            why = self._judge(data, now)
        except NotOurs:
            return
        except BadMessage as bad:
            why = str(bad)
        except Exception as error:  # whatever else a message can do must not end the thread
            why = f"{type(error).__name__}: {error}"
        self.arrived, self.complaint = now, why
        self.received += 1
        if why:
            self.rejected += 1
        else:
            self._taken()

    def _judge(self, data: bytes, now: float) -> str:
        """Use a message; or why it cannot be used."""
        data = cdr.plain(data, self.kind)
        seconds, nanoseconds = cdr.stamp(data)
        stamp = seconds + nanoseconds * 1e-9
        found = self._read(data)  # first, so that a bad message's stamp moves nothing
        if not self.gate.passes(stamp, now):
            return self.gate.complaint
        values = self._use(stamp, found)
        if values is not None:
            self.slot.put(Reading(stamp, values))
        return ""

    @property
    def trouble(self) -> str:
        """One line for people; empty if all is well."""
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
        """What is unusual, but works.

        Args:
            rate: of the messages, 1/s; 0 if it is not known.
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
