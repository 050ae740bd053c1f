"""Pushes robots from outside."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.config.fields import LONGEST, Range, setting
from edge_runtime.signals import Bool, Float, Rows
from sim.engines.engine import Engine


@dataclass(frozen=True)
class PushConfig:
    """Sets a horizontal force in a random direction, at random times."""

    enabled: bool = setting(True, "Push the robot.")
    interval: Range = setting((4.0, 8.0), "Time between two pushes.", "s", above=0, at_most=LONGEST)
    duration: float = setting(0.1, "Length of a push.", "s", above=0, at_most=LONGEST)
    speed: Range = setting((0.1, 0.5), unit="m/s", at_least=0)
    """Speed that a push would give the free robot."""
    grow: bool = False
    """Strengthen the strongest push after an episode without a fall, else weaken it."""


_NEVER = 1 << 40  # control steps
_FIRST, _STEP = 0.6, 0.05  # of the range of speeds: the strongest at first, and how it changes


class Pushes:
    """Pushes the main body of N simulations, each at its own times."""

    def __init__(
        self,
        config: PushConfig,
        engine: Engine,
        body: str,
        period: float,
        rng: np.random.Generator,
    ) -> None:
        self._config, self._engine, self._rng = config, engine, rng
        self.body = engine.model.body(body).id
        robot = engine.model.body_rootid[self.body]
        self._force_per_speed = engine.model.body_subtreemass[robot] / config.duration
        shortest, longest = (max(round(seconds / period), 1) for seconds in config.interval)
        self._steps = (shortest, longest + 1)
        self._duration = max(round(config.duration / period), 1)
        self._wait = np.zeros(engine.rows, np.int64)  # control steps until the next push
        self.since = np.full(engine.rows, _NEVER)
        """Control steps since the last push of this episode began, (N,)."""
        self._strongest = np.full(engine.rows, _FIRST if config.grow else 1.0)  # of the range

    def reset(self, rows: Rows) -> None:
        """Starts new episodes of these simulations, with a new waiting time."""
        self.since[rows] = _NEVER
        self._end(rows)

    def _end(self, rows: Rows) -> None:
        """Ends the pushes of these simulations and draws a new waiting time."""
        self._wait[rows] = self._rng.integers(*self._steps, len(rows))
        self._engine.external_force[rows, self.body] = 0.0

    def learn(self, rows: Rows, fallen: Bool) -> None:
        """Strengthens or weakens pushes after episodes, (n,), by whether they ended with a fall."""
        if self._config.grow:
            step = np.where(fallen, -_STEP, _STEP)
            self._strongest[rows] = np.clip(self._strongest[rows] + step, _STEP, 1.0)

    def metrics(self) -> dict[str, Float]:
        """Returns the strongest push that each robot may get, m/s (N,), if that changes."""
        if not self._config.grow:
            return {}
        low, high = self._config.speed
        return {"push_speed": low + self._strongest * (high - low)}

    def advance(self) -> None:
        """Starts and ends pushes in a control step."""
        if not self._config.enabled:
            return
        self._wait -= 1
        self.since += 1
        over = np.flatnonzero(self._wait == -self._duration)
        if len(over):
            self._end(over)
        now = np.flatnonzero(self._wait == 0)
        if len(now):
            self.since[now] = 0
            direction = self._rng.uniform(0.0, 2 * np.pi, len(now))
            force = self._speeds(now) * self._force_per_speed
            xy = np.stack([np.cos(direction), np.sin(direction)], axis=1)
            self._engine.external_force[now, self.body, :2] = force[:, None] * xy

    def _speeds(self, rows: Rows) -> Float:
        """Returns what pushes would give these robots, m/s; those that grow are drawn near the
        strongest, for the weak ones have nothing left to teach."""
        low, high = self._config.speed
        if not self._config.grow:
            return self._rng.uniform(low, high, len(rows))
        share = np.sqrt(self._rng.uniform(size=len(rows)))
        return low + share * self._strongest[rows] * (high - low)

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs beside the engine's forces."""
        names = ("_wait", "_strongest", "since")
        return {name: getattr(self, name).copy() for name in names}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        for name, value in state.items():
            getattr(self, name)[:] = value
