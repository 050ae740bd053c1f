"""A sensor topic: its newest good reading, and what is wrong with the others."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edge_runtime.signal import Array
from edge_runtime.slots import LatestValue
from sim2edge_ros.messages import wire
from sim2edge_ros.sensors.readers import BadMessage
from sim2edge_ros.sensors.stamps import StampGate

_FOREIGN = 1.0  # s from the node's clock, from which on the stamps are of another


class Reading(NamedTuple):
    """What a message told."""

    stamp: float  # s, of its header
    values: Mapping[str, Array]  # by signal


class Source:
    """Takes a topic's messages, in the intake's thread, into a slot that the loop reads.

    Args:
        topic: its name, for people.
        kind: class of its messages, which begin with a std_msgs/Header.
        read: what a message's bytes hold; raises `BadMessage`.
        now: the node's clock, s.
        use: called with the stamp and what was read of each message that can be used; gives what
            the slot is filled with, None if it is not.
        taken: called after that.
    """

    def __init__(
        self,
        topic: str,
        kind: Any,
        read: Callable[[bytes], Any],
        now: Callable[[], float],
        use: Callable[[float, Any], Mapping[str, Array] | None] = lambda stamp, values: values,
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self.topic, self.kind, self._read, self._now = topic, kind, read, now
        self._use, self._taken = use, taken
        self.gate = StampGate()
        self.slot: LatestValue[Reading | None] = LatestValue(None)
        self.received, self.rejected = 0, 0  # messages
        self.complaint = ""  # against the last message
        self.arrived = -math.inf  # s by the node's clock, of the last message of any kind
        self.incompatible = ""  # quality of service by which a publisher cannot be heard

    def take(self, data: bytes) -> None:
        """A message, as it came; it never raises."""
        now = self._now()
        self.arrived = now
        self.received += 1
        try:
            data = wire.plain(data, self.kind)
            seconds, nanoseconds = wire.stamp(data)
            stamp = seconds + nanoseconds * 1e-9
            found = self._read(data)  # first, so that a bad message's stamp moves nothing
            if not self.gate.passes(stamp, now):
                self._reject(self.gate.complaint)
                return
            values = self._use(stamp, found)
        except BadMessage as bad:
            self._reject(str(bad))
            return
        except Exception as error:  # whatever else a message can do must not end the thread
            self._reject(f"{type(error).__name__}: {error}")
            return
        self.complaint = ""
        if values is not None:
            self.slot.put(Reading(stamp, values))
        self._taken()

    def _reject(self, why: str) -> None:
        self.rejected += 1
        self.complaint = why

    def trouble(self, timeout: float) -> str:
        """One line for people; empty if all is well.

        Args:
            timeout: s without any message that are too long.
        """
        if self.complaint:
            return f"{self.topic}: {self.complaint}"
        if self.incompatible:
            return f"{self.topic}: {self.incompatible}"
        if not self.received:
            return f"{self.topic}: nothing was received"
        if self._now() - self.arrived > timeout:
            return f"{self.topic}: nothing for {self._now() - self.arrived:.1f} s"
        return ""

    @property
    def remark(self) -> str:
        """What is unusual, but works."""
        offset = self.gate.offset
        if offset is not None and abs(offset) > _FOREIGN:
            return f"{self.topic}: its stamps are {offset:+.4g} s from this node's clock"
        return ""
