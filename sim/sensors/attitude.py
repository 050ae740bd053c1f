"""The attitude an estimator would give: the truth, turned by a slowly wandering tilt error.

Training does not run N estimators; it uses this error model of one. Evaluation can run the real
one (`edge_runtime.fusion`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.rotations import multiply
from edge_runtime.signal import Array
from sim.engines.engine import Float, Rows


@dataclass(frozen=True)
class AttitudeError:
    """A first-order Gauss-Markov error about each horizontal axis."""

    std: float = 0.0  # rad, stationary
    time_constant: float = 2.0  # s


class AttitudeReading:
    """`read` gives N attitudes, (N, 4) wxyz float32."""

    def __init__(
        self, error: AttitudeError, rows: int, period: float, rng: np.random.Generator
    ) -> None:
        self._rng, self._std = rng, error.std
        self._keep = np.exp(-period / error.time_constant)
        self._error = np.zeros((rows, 2))
        self.attitude: Array = np.zeros((rows, 4), np.float32)

    def reset(self, rows: Rows, truth: Float) -> None:
        """New errors for these simulations; `truth` is all N true attitudes, (N, 4)."""
        if self._std:
            self._error[rows] = self._rng.normal(0.0, self._std, (len(rows), 2))
        self.attitude[rows] = self._turned(truth[rows], self._error[rows])

    def read(self, truth: Float) -> None:
        """Read all simulations into `attitude`."""
        if self._std:
            innovation = self._std * np.sqrt(1.0 - self._keep**2)
            self._error *= self._keep
            self._error += self._rng.normal(0.0, innovation, self._error.shape)
        self.attitude[:] = self._turned(truth, self._error)

    def _turned(self, truth: Float, error: Float) -> Float:
        if not self._std:
            return truth
        half = np.zeros((len(error), 4))
        half[:, 0] = 1.0
        half[:, 1:3] = 0.5 * error
        turned = multiply(half, truth)
        return turned / np.sqrt((turned**2).sum(axis=1, keepdims=True))

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit-equal."""
        return {"error": self._error.copy(), "attitude": self.attitude.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self._error[:], self.attitude[:] = state["error"], state["attitude"]
