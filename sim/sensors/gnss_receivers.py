"""Simulates GNSS receivers in a local east-north-up frame: slow fixes with a drifting error."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.signals import Array, Float, Rows


@dataclass(frozen=True)
class GnssConfig:
    """Describes a receiver with corrections (RTK float or SBAS)."""

    period: float = setting(0.2, "Time between two fixes.", "s", above=0)
    white: float = setting(0.05, "White noise of each fix, on each axis.", "m", at_least=0)
    wander: float = setting(0.5, "Standard deviation of the slow error.", "m", at_least=0)
    time_constant: float = setting(60.0, "Time constant of the slow error.", "s", above=0)
    velocity: float = setting(0.05, "White noise of each fix's velocity.", "m/s", at_least=0)

    def exact(self) -> "GnssConfig":
        """Returns the receiver without errors, at the same rate."""
        return replace(self, white=0.0, wander=0.0, velocity=0.0)


class GnssReceivers:
    """Simulates N receivers; between two fixes the last one holds.

    Args:
        config: the receiver.
        rows: N.
        period: s, between two calls of `read`.
        rng: draws the errors.
    """

    def __init__(
        self, config: GnssConfig, rows: int, period: float, rng: np.random.Generator
    ) -> None:
        self._config, self._rng = config, rng
        self._every = max(round(config.period / period), 1)
        self._keep = np.exp(-self._every * period / config.time_constant)
        self._wander = np.zeros((rows, 3))
        self._age = np.zeros(rows, np.int64)  # calls since the last fix

    def reset(self, rows: Rows) -> None:
        """Draws new errors; the next `read` of these rows gives a fix."""
        self._wander[rows] = self._rng.normal(0.0, self._config.wander, (len(rows), 3))
        self._age[rows] = self._every

    def read(
        self, rows: Rows, position: Float, velocity: Float, fix: Array, fix_velocity: Array
    ) -> None:
        """Writes the fixes that are due, for simulations in `rows`.

        Args:
            rows: (n,).
            position: the position of the antennas, (N, 3) m.
            velocity: the velocity of the antennas, (N, 3) m/s.
            fix: written, (N, 3) m.
            fix_velocity: written, (N, 3) m/s.
        """
        self._age[rows] += 1
        due = rows[self._age[rows] >= self._every]
        if not len(due):
            return
        c, shape = self._config, (len(due), 3)
        self._age[due] = 0
        step = c.wander * np.sqrt(1.0 - self._keep**2)
        self._wander[due] = self._keep * self._wander[due] + self._rng.normal(0.0, step, shape)
        fix[due] = position[due] + self._wander[due] + self._rng.normal(0.0, c.white, shape)
        fix_velocity[due] = velocity[due] + self._rng.normal(0.0, c.velocity, shape)

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""
        return {"wander": self._wander.copy(), "age": self._age.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores a state that `state` returned."""
        self._wander[:], self._age[:] = state["wander"], state["age"]
