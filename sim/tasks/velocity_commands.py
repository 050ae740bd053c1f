"""Draws what the operator asks for during an episode."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.config.fields import LONGEST, Range, setting
from edge_runtime.policy.contract import Command
from edge_runtime.signals import Array, Rows


@dataclass(frozen=True)
class VelocityCommand:
    """Sets velocities in the heading frame (x forward, y left), drawn anew now and then."""

    forward: Range = setting((-0.4, 1.0), "Commanded forward velocity.", "m/s")
    lateral: Range = setting((-0.3, 0.3), "Commanded velocity to the left.", "m/s")
    yaw_rate: Range = setting((-0.6, 0.6), "Commanded yaw rate.", "rad/s")
    interval: Range = setting(
        (3.0, 8.0), "Time between two commands.", "s", above=0, at_most=LONGEST
    )
    standing: float = setting(0.2, "Share of commands to stand still.", at_least=0)
    straight: float = setting(0.25, at_least=0)
    """Share of commands that ask for forward speed alone."""
    deadband: float = setting(0.1, at_least=0)
    """Commands smaller than this in all components become zero."""

    @property
    def components(self) -> tuple[Command, ...]:
        """Returns the commands, as the contract lists them."""
        return (
            Command("forward", "m/s", *self.forward),
            Command("lateral", "m/s", *self.lateral),
            Command("yaw_rate", "rad/s", *self.yaw_rate),
        )


class VelocityCommands:
    """Draws commands into a signal, (N, 3)."""

    def __init__(
        self, config: VelocityCommand, command: Array, period: float, rng: np.random.Generator
    ) -> None:
        self._config, self._command, self._rng = config, command, rng
        ranges = np.array([config.forward, config.lateral, config.yaw_rate])
        self._low, self._high = ranges.T
        shortest, longest = (max(round(seconds / period), 1) for seconds in config.interval)
        self._steps = (shortest, longest + 1)
        self._wait = np.zeros(len(command), np.int64)  # control steps until the next command

    def reset(self, rows: Rows) -> None:
        """Draws new commands for these simulations."""
        count, config = len(rows), self._config
        drawn = self._rng.uniform(self._low, self._high, (count, 3))
        kind = self._rng.uniform(size=count)
        drawn[kind < config.standing + config.straight, 1:] = 0.0
        small = (np.abs(drawn) < config.deadband).all(axis=1)
        drawn[small | (kind < config.standing)] = 0.0
        self._command[rows] = drawn
        self._wait[rows] = self._rng.integers(*self._steps, count)

    def advance(self) -> None:
        """Advances by a control step, with new commands where they are due."""
        self._wait -= 1
        due = np.flatnonzero(self._wait <= 0)
        if len(due):
            self.reset(due)

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs beside the signal."""
        return {"wait": self._wait.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        self._wait[:] = state["wait"]
