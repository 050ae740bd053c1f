"""Sums up how a robot does while it learns: its return, minute by minute, and its falls."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_runtime.experience.layout import Flag
from edge_runtime.learning.tier import Rows
from edge_runtime.signals import Float


class Returns:
    """Adds up the on-board reward over each minute of experience.

    Args:
        weights: what each part of the reward counts in a step, (r,).
        period: s, of a step.
    """

    def __init__(self, weights: Float, period: float) -> None:
        self._weights = weights
        self._steps = max(1, round(60.0 / period))  # in a minute
        self.minutes: list[float] = []  # the return of each whole minute
        self.falls = 0  # or crashes
        self._sum, self._count = 0.0, 0

    def add(self, rows: Rows) -> None:
        """Adds the rewards of rows."""
        self.falls += int(np.count_nonzero(rows.flags & Flag.END))
        rewards = rows.reward @ self._weights
        while len(rewards):
            part = rewards[: self._steps - self._count]
            self._sum, self._count = self._sum + float(part.sum()), self._count + len(part)
            rewards = rewards[len(part) :]
            if self._count == self._steps:
                self.minutes.append(self._sum)
                self._sum, self._count = 0.0, 0

    def state(self) -> dict[str, Any]:
        """Returns what a continuation needs."""
        return {
            "minutes": list(self.minutes),
            "falls": self.falls,
            "sum": self._sum,
            "count": self._count,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        self.minutes, self.falls = [float(m) for m in state["minutes"]], int(state["falls"])
        self._sum, self._count = float(state["sum"]), int(state["count"])
