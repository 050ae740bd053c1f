"""What happens to a robot from outside: pushes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.engines.engine import Engine, Rows


@dataclass(frozen=True)
class PushConfig:
    """A horizontal force in a random direction, now and then."""

    enabled: bool = True
    interval: tuple[float, float] = (4.0, 8.0)  # s between two pushes
    duration: float = 0.1  # s
    speed: tuple[float, float] = (0.1, 0.5)  # m/s the push would give the free robot


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
        self._force_per_speed = engine.model.body_subtreemass[1] / config.duration
        shortest, longest = (max(round(seconds / period), 1) for seconds in config.interval)
        self._steps = (shortest, longest + 1)
        self._duration = max(round(config.duration / period), 1)
        self._wait = np.zeros(engine.rows, np.int64)  # control steps until the next push

    def reset(self, rows: Rows) -> None:
        """A new wait for these simulations, whose pushes end."""
        self._wait[rows] = self._rng.integers(*self._steps, len(rows))
        self._engine.external_force[rows, self.body] = 0.0

    def advance(self) -> None:
        """One control step: start and end pushes."""
        if not self._config.enabled:
            return
        self._wait -= 1
        over = np.flatnonzero(self._wait == -self._duration)
        if len(over):
            self.reset(over)
        now = np.flatnonzero(self._wait == 0)
        if len(now):
            direction = self._rng.uniform(0.0, 2 * np.pi, len(now))
            force = self._rng.uniform(*self._config.speed, len(now)) * self._force_per_speed
            xy = np.stack([np.cos(direction), np.sin(direction)], axis=1)
            self._engine.external_force[now, self.body, :2] = force[:, None] * xy

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit-equal, beside the engine's forces."""
        return {"wait": self._wait.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self._wait[:] = state["wait"]
