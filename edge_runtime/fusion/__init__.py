"""Estimates what the policy needs to know from what the sensors read.

Each is a module here with a class that fulfils `Fusion`, and an `Estimator` by which
`edge_runtime.estimators` makes it. It works on N rows, so that the simulator can run the very one
that the robot does.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from edge_runtime.fusion.estimate import Estimate
from edge_runtime.signals import Array, Signal, Signals


class Fusion(Protocol):
    """Estimates signals from signals, for N rows."""

    reads: tuple[Signal, ...]  # what every sample must hold, in this size, unit and frame
    provides: tuple[Signal, ...]
    lost: bool  # whether its estimate cannot be trusted at present, in any row
    estimates: Mapping[str, Array]  # one array for each of `provides`, (N, size), always the same

    @property
    def states(self) -> Sequence[Estimate]:
        """Returns the full estimate of each row, with covariance; empty if the estimator makes
        none."""
        ...

    @property
    def reason(self) -> str:
        """Returns in one line why the estimate is lost, or less sure than usual; empty if it is
        neither."""
        ...

    def reset(self, rows: np.ndarray | None = None) -> None:
        """Forgets these rows, all by default; they are lost until a sample shows their attitude."""
        ...

    def update(self, signals: Signals, periods: int = 1) -> Mapping[str, Array]:
        """Updates the estimates with a new sample.

        Args:
            signals: at least `reads`, (N, size) float32 each.
            periods: control periods since the last sample; more than 1 after a lost one.

        Returns:
            `estimates`, brought up to date.
        """
        ...

    def close(self) -> None:
        """Releases what the estimator holds, such as processes; it is not used afterwards."""
        ...
