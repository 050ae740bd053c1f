"""Provides attitude and velocity as a robot knows them: by an error model, or by its estimator.

Training does not run N estimators; it rotates and shifts the truth by the measured errors of one.
Evaluation can run the robot's own estimator.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.fusion import Fusion
from edge_runtime.rotations import multiply
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY, Array, Float, Rows, Signal, Signals
from sim.engines.engine import Engine

# Signals that come from an estimator, and the model's sensors of their true values.
ESTIMATED = {
    Signal(ATTITUDE, 4, "1", "world"): "true_attitude",
    Signal(BASE_VELOCITY, 3, "m/s", "body"): "true_velocity",
}


@dataclass(frozen=True)
class GaussMarkov:
    """Describes a first-order Gauss-Markov error."""

    std: float = setting(0.0, "Stationary standard deviation, in the signal's unit.", at_least=0)
    time_constant: float = setting(2.0, "Time constant.", "s", above=0)


@dataclass(frozen=True)
class EstimateErrors:
    """Describes the errors of an estimator."""

    attitude: GaussMarkov = GaussMarkov()  # rad about each horizontal axis
    velocity: GaussMarkov = GaussMarkov()  # m/s along each axis of the body


class Estimates(Protocol):
    """Estimates signals of N robots."""

    signals: dict[str, Array]  # (N, size) each, always the same arrays

    def reset(self, rows: Rows) -> None:
        """Restarts the estimates of simulations that were reset and whose sensors were read."""
        ...

    def read(self) -> None:
        """Updates `signals` after all sensors were read."""
        ...

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        ...


class ModelledEstimates:
    """Adds modelled errors to the truth.

    Args:
        errors: none by default.
        engine: provides the truth.
        period: s, between two readings.
        rng: draws the errors.
    """

    def __init__(
        self, errors: EstimateErrors, engine: Engine, period: float, rng: np.random.Generator
    ) -> None:
        rows = engine.rows
        self._attitude = engine.sensor("true_attitude")
        self._velocity = engine.sensor("true_velocity")
        self._tilt = _GaussMarkovProcess(errors.attitude, (rows, 2), period, rng)
        self._shift = _GaussMarkovProcess(errors.velocity, (rows, 3), period, rng)
        self.signals: dict[str, Array] = {
            signal.name: np.zeros((rows, signal.size), np.float32) for signal in ESTIMATED
        }

    def reset(self, rows: Rows) -> None:
        self._tilt.reset(rows)
        self._shift.reset(rows)
        self._write(rows)

    def read(self) -> None:
        self._tilt.advance()
        self._shift.advance()
        self._write(slice(None))

    def _write(self, rows: Rows | slice) -> None:
        attitude = self._attitude[rows]
        if self._tilt.std:
            attitude = _turned(attitude, self._tilt.error[rows])
        self.signals[ATTITUDE][rows] = attitude
        self.signals[BASE_VELOCITY][rows] = self._velocity[rows] + self._shift.error[rows]

    def state(self) -> dict[str, Any]:
        signals = {name: value.copy() for name, value in self.signals.items()}
        errors = {"tilt": self._tilt.error.copy(), "shift": self._shift.error.copy()}
        return {"signals": signals, **errors}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._tilt.error[:], self._shift.error[:] = state["tilt"], state["shift"]
        for name, value in state["signals"].items():
            self.signals[name][:] = value


class _GaussMarkovProcess:
    def __init__(
        self, config: GaussMarkov, shape: tuple[int, int], period: float, rng: np.random.Generator
    ) -> None:
        self.std, self._rng = config.std, rng
        self._keep = np.exp(-period / config.time_constant)
        self._innovation = config.std * np.sqrt(1.0 - self._keep**2)
        self.error: Float = np.zeros(shape)

    def reset(self, rows: Rows) -> None:
        if self.std:
            self.error[rows] = self._rng.normal(0.0, self.std, (len(rows), self.error.shape[1]))

    def advance(self) -> None:
        if self.std:
            self.error *= self._keep
            self.error += self._rng.normal(0.0, self._innovation, self.error.shape)


def _turned(truth: Float, error: Float) -> Float:
    """Rotates attitudes (n, 4) by small angles about the horizontal axes, (n, 2) rad."""
    half = np.zeros((len(error), 4))
    half[:, 0] = 1.0
    half[:, 1:3] = 0.5 * error
    turned = multiply(half, truth)
    return turned / np.sqrt((turned**2).sum(axis=1, keepdims=True))


class FusedEstimates:
    """Runs the robot's own estimator, one for each simulation.

    Args:
        make: makes an estimator of one robot.
        sensed: readings of the sensors, (N, size) each, always the same arrays.
        rows: N.
    """

    def __init__(self, make: Callable[[], Fusion], sensed: Signals, rows: int) -> None:
        self._make = make
        self._fusions = [make() for _ in range(rows)]
        reads = [signal.name for signal in self._fusions[0].reads]
        self._sensed = [{n: sensed[n][row : row + 1] for n in reads} for row in range(rows)]
        self.signals: dict[str, Array] = {
            signal.name: np.zeros((rows, signal.size), np.float32)
            for signal in self._fusions[0].provides
        }

    def reset(self, rows: Rows) -> None:
        for row in rows.tolist():
            # It is another robot in another world, not one that was lifted up.
            self._fusions[row] = self._make()
            self._update(row)

    def read(self) -> None:
        for row in range(len(self._fusions)):
            self._update(row)

    @property
    def lost(self) -> np.ndarray:
        """Returns which estimators report that they are lost, (N,)."""
        return np.array([fusion.lost for fusion in self._fusions])

    def _update(self, row: int) -> None:
        for name, value in self._fusions[row].update(self._sensed[row]).items():
            self.signals[name][row] = value[0]

    def state(self) -> dict[str, Any]:
        """Raises UserError, for estimators in the loop cannot be saved."""
        raise UserError(
            "a run with estimators in the loop cannot be saved; train with their errors "
            "(--estimates model)"
        )

    def restore(self, state: Mapping[str, Any]) -> None:
        """Raises UserError, for estimators in the loop cannot be saved."""
        self.state()
