"""Joins readings of several topics into one that fills a place in a sample."""

from collections.abc import Callable, Mapping

import numpy as np
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import NavSatFix

from edge_runtime.signals import FOOT_FORCE, Array
from sim2edge_ros.messages import topics
from sim2edge_ros.sensors.source import Reading, Source

_SAME = 1e-3  # s, within which two stamps mean the same moment


class SoleForces:
    """Joins the forces of all soles into one signal, as old as the oldest.

    Args:
        feet: how many soles there are.
        now: the node's time, s.
    """

    def __init__(self, feet: int, now: Callable[[], float]) -> None:
        self.source = Source(topics.FOOT.format("<foot>"), WrenchStamped, lambda data: None, now)
        self._forces = np.full(feet, np.nan, np.float32)
        self._stamps = np.full(feet, np.nan)

    def take(self, foot: int, stamp: float, force: float) -> None:
        """Takes the force on one sole, N, stamped in s."""
        self._forces[foot], self._stamps[foot] = force, stamp
        if not np.isnan(self._stamps).any():
            oldest = float(self._stamps.min())
            self.source.slot.put(Reading(oldest, {FOOT_FORCE: self._forces.copy()}))


class Fixes:
    """Joins a GNSS receiver's position and velocity of one moment.

    Args:
        now: the node's time, s.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.source = Source(topics.FIX, NavSatFix, lambda data: None, now)
        self._halves: dict[str, Reading] = {}

    def take(self, stamp: float, values: Mapping[str, Array]) -> None:
        """Takes one of the two, (3,) by signal, stamped in s."""
        self._halves.update({name: Reading(stamp, values) for name in values})
        stamps = [half.stamp for half in self._halves.values()]
        if len(stamps) == 2 and max(stamps) - min(stamps) < _SAME:
            together = {name: half.values[name] for name, half in self._halves.items()}
            self.source.slot.put(Reading(stamp, together))
