"""A look for NaN and infinite values that is cheap enough for every tick."""

import numpy as np

from edge_runtime.signal import Array


class AllFinite:
    """`AllFinite(n)(row)`: whether all n values of a float32 row (n,) are finite.

    0 * x is 0 for every finite x and NaN for all others, so one dot product tells, in a third of
    the time of `np.isfinite(row).all()` and without a temporary.
    """

    def __init__(self, size: int) -> None:
        self._zeros = np.zeros(size, np.float32)

    def __call__(self, row: Array) -> bool:
        return bool(np.vdot(row, self._zeros) == 0.0)  # np.dot would warn of infinity
