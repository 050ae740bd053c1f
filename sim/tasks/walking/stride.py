"""Averages over a stride what a gait does."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_runtime.signals import Float, Rows


class Stride:
    """Averages three values over each simulation's last stride.

    A simulation's strides begin with its own reset, so that rounding depends on no other.

    Args:
        steps: control periods in a stride.
        rows: N.
    """

    def __init__(self, steps: int, rows: int) -> None:
        self._values = np.zeros((steps, rows, 3))
        self._total = np.zeros((rows, 3))
        self._count = np.zeros(rows, np.int64)
        self._next = np.zeros(rows, np.int64)  # where in `_values` each writes
        self._all = np.arange(rows)

    def reset(self, rows: Rows) -> None:
        """Forgets what these simulations did."""
        self._values[:, rows] = 0.0
        self._total[rows] = 0.0
        self._count[rows] = self._next[rows] = 0

    def add(self, value: Float) -> None:
        """Adds one control step's values, (N, 3)."""
        self._total += value - self._values[self._next, self._all]
        self._values[self._next, self._all] = value
        self._next = (self._next + 1) % len(self._values)
        whole = np.flatnonzero(self._next == 0)
        if whole.size:  # otherwise rounding errors would accumulate
            self._total[whole] = self._values[:, whole].sum(axis=0)
        self._count += 1

    def mean(self) -> Float:
        """Returns the mean over the last stride, or since the reset, (N, 3)."""
        return self._total / np.clip(self._count, 1, len(self._values))[:, None]

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""
        names = ("values", "total", "count", "next")
        return {name: getattr(self, f"_{name}").copy() for name in names}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        for name, value in state.items():
            getattr(self, f"_{name}")[:] = value
