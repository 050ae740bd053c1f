"""Lets sensors drop out: readings that stay, beams without an echo."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from edge_runtime.config.fields import Range
from edge_runtime.signals import Array, Bool, Float, Rows


class Dropouts:
    """Holds a sensor's signals now and then for a while, on N robots.

    Args:
        signals: names of those that stay together.
        rows: N.
        interval: s between two dropouts.
        lasting: s that one lasts.
        period: s, of the control loop.
    """

    def __init__(
        self, signals: Sequence[str], rows: int, interval: Range, lasting: Range, period: float
    ) -> None:
        self._signals, self._interval, self._lasting = signals, interval, lasting
        self._period = period
        self._rngs = [np.random.default_rng(row) for row in range(rows)]
        self._wait = np.zeros(rows, np.int64)  # control steps until it begins
        self._left = np.zeros(rows, np.int64)  # control steps that it lasts from then on
        self._kept: dict[str, Array] = {}

    def start(self, row: int, rng: Generator) -> None:
        """Begins a new trial, which draws from a generator of its own."""
        self._rngs[row] = rng.spawn(1)[0]
        self._draw(row)

    def _draw(self, row: int) -> None:
        rng = self._rngs[row]
        self._wait[row] = max(1, round(rng.uniform(*self._interval) / self._period))
        self._left[row] = round(rng.uniform(*self._lasting) / self._period)

    @property
    def held(self) -> Bool:
        """Returns whether each robot's readings are held now, (N,)."""
        held: Bool = (self._wait <= 0) & (self._wait > -self._left)
        return held

    def hold(self, signals: dict[str, Array]) -> None:
        """Advances one control period, and puts back what was read before where the sensor is
        out."""
        self._wait -= 1
        held = self.held
        for name in self._signals:
            now = signals.get(name)
            if now is None:  # not read by this policy
                continue
            before = self._kept.get(name)
            if before is not None:
                now[held] = before[held]
            self._kept[name] = now.copy()
        for row in np.flatnonzero(self._wait <= -self._left).tolist():
            self._draw(row)


class LostEchoes:
    """Removes the echo from a sector of the lidar, and from single beams at random, on N robots.

    Args:
        beams: their directions, rad, (B,).
        rows: N.
        chance: probability that a beam has no echo in a scan.
    """

    def __init__(self, beams: Float, rows: int, chance: float) -> None:
        self._beams, self._chance = beams, chance
        self._blown = np.zeros((rows, len(beams)), bool)
        self._rngs = [np.random.default_rng(row) for row in range(rows)]

    def start(self, row: int, middle: float, width: float, rng: Generator) -> None:
        """Begins a new trial whose sector lies about `middle`, rad, and is `width` rad wide."""
        self._blown[row] = np.abs(self._beams - middle) <= width / 2
        self._rngs[row] = rng.spawn(1)[0]

    def apply(self, rows: Rows, ranges: Array, max_range: float) -> None:
        """Writes what a beam without an echo reads into these rows of the ranges, (N, B) m."""
        chance = np.array([self._rngs[row].random(len(self._beams)) for row in rows])
        read = ranges[rows]
        read[self._blown[rows] | (chance < self._chance)] = max_range
        ranges[rows] = read
