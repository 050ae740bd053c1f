"""What a gait does on average: the mean over a stride."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.engines.engine import Float, Rows


class Stride:
    """The mean of three values over each simulation's last stride.

    Args:
        steps: control periods in a stride.
        rows: N.
    """

    def __init__(self, steps: int, rows: int) -> None:
        self._values = np.zeros((steps, rows, 3))
        self._total = np.zeros((rows, 3))
        self._count = np.zeros(rows, np.int64)
        self._next = 0

    def reset(self, rows: Rows) -> None:
        """Forget what these simulations did."""
        self._values[:, rows] = 0.0
        self._total[rows] = 0.0
        self._count[rows] = 0

    def add(self, value: Float) -> None:
        """One control step's values, (N, 3)."""
        self._total += value - self._values[self._next]
        self._values[self._next] = value
        self._next = (self._next + 1) % len(self._values)
        if self._next == 0:
            self._total[:] = self._values.sum(axis=0)  # or rounding errors would pile up
        self._count += 1

    def mean(self) -> Float:
        """Over the last stride, or since the reset, (N, 3)."""
        return self._total / np.clip(self._count, 1, len(self._values))[:, None]

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit-equal."""
        return {
            "values": self._values.copy(),
            "total": self._total.copy(),
            "count": self._count.copy(),
            "next": self._next,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self._values[:], self._total[:] = state["values"], state["total"]
        self._count[:] = state["count"]
        self._next = state["next"]
