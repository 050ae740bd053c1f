"""Chooses the level of ground for each simulation: up for those that walk as
commanded, else down."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_runtime.signals import Array, Bool, Float, Rows

_LEAST = 1.0  # m, least commanded distance of an episode that is judged
# Share of it that must be walked to go up, and below which to go down
_ENOUGH, _TOO_LITTLE = 0.8, 0.5


class Curriculum:
    """Holds the levels of N simulations, each on ground of one kind.

    Args:
        rows: N.
        kinds: number of kinds; the simulations take turns.
        levels: number of levels.
        climbs: whether levels depend on the distance walked; otherwise they are drawn evenly.
        rng: draws levels.
    """

    def __init__(
        self, rows: int, kinds: int, levels: int, climbs: bool, rng: np.random.Generator
    ) -> None:
        self.kind: Rows = np.arange(rows) % kinds
        self.level: Rows = np.zeros(rows, np.intp)
        self._levels, self._climbs, self._rng = levels, climbs, rng
        self._asked = np.zeros(rows)  # m commanded in this episode
        self._walked = np.zeros(rows)  # m walked of it

    def add(self, asked: Array, velocity: Float, period: float) -> None:
        """Adds a control step: the commanded velocity (N, 2) and the robot's (N, 2), m/s."""
        speed = np.hypot(asked[:, 0], asked[:, 1])
        along = np.einsum("ni,ni->n", asked, velocity) / np.maximum(speed, 1e-6)
        self._asked += speed * period
        self._walked += np.clip(along, 0.0, speed) * period

    def advance(self, rows: Rows, fallen: Bool) -> None:
        """Chooses the level of these simulations' next episode; `fallen`, (n,), ended by a fall.

        A robot that has mastered the hardest level continues on any, so that nothing is forgotten.
        """
        if not self._climbs:
            self.level[rows] = self._rng.integers(0, self._levels, len(rows))
        else:
            asked, walked = self._asked[rows], self._walked[rows]
            counts = asked >= _LEAST
            up = counts & ~fallen & (walked >= _ENOUGH * asked)
            down = fallen | (counts & (walked < _TOO_LITTLE * asked))
            level = np.maximum(self.level[rows] + up - (down & ~up), 0)
            anywhere = self._rng.integers(0, self._levels, len(rows))
            self.level[rows] = np.where(level >= self._levels, anywhere, level)
        self._asked[rows] = self._walked[rows] = 0.0

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""
        names = ("level", "_asked", "_walked")
        return {name: getattr(self, name).copy() for name in names}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        for name, value in state.items():
            getattr(self, name)[:] = value
