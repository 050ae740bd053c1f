"""Turns the engine's exact sensors into a robot's readings: averaged, noisy, biased, float32."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, Array, Rows, Signal
from sim.engines.engine import Engine

_AVERAGED = (IMU_GYRO, IMU_ACCEL)
_ALL = slice(None)


@dataclass(frozen=True)
class Sensor:
    """Joins a signal and the model's sensors that make it up, in order."""

    signal: Signal
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Noise:
    """Describes the error of one sensor, in its unit."""

    std: float = setting(0.0, "White noise of each reading.", at_least=0)
    bias: float = setting(0.0, "Bias, constant over an episode, drawn from ± this.", at_least=0)


class SensorReadings:
    """Reads the robot's sensors in N simulations.

    An IMU is read at every physics step, as its own clock does on a robot: its signals are the mean
    over the control period, and `imu_burst` (N, substeps * 6) keeps every gyroscope and
    accelerometer reading since the last control step, oldest first, for fusion.

    Args:
        engine: provides the exact values.
        sensors: the sensors that can be read.
        noise: by signal name; a signal that is not listed is exact.
        rng: draws noise and biases.
        wanted: names of the signals to read; by default all of them, and `imu_burst`.
    """

    def __init__(
        self,
        engine: Engine,
        sensors: tuple[Sensor, ...],
        noise: Mapping[str, Noise],
        rng: np.random.Generator,
        wanted: Collection[str] | None = None,
    ) -> None:
        self._engine, self._rng = engine, rng
        read = [s for s in sensors if wanted is None or s.signal.name in wanted]
        imu = [s for s in read if s.signal.name in _AVERAGED]
        self._plain = _Group(engine, [s for s in read if s not in imu], noise)
        self._imu = _Group(engine, imu, noise)
        self._noisy = self._plain.noisy or self._imu.noisy
        self.signals: dict[str, Array] = self._plain.signals | self._imu.signals
        self._burst: Array | None = None
        if wanted is None:
            self._burst = np.zeros((engine.rows, engine.substeps, 6), np.float32)
            self.signals[IMU_BURST] = self._burst.reshape(engine.rows, -1)

    def reset(self, rows: Rows) -> None:
        """Draws new biases for these simulations and reads them."""
        if self._noisy:
            for group in (self._plain, self._imu):
                group.draw_bias(rows, self._rng)
        self._read(rows)

    def read(self) -> None:
        """Reads all sensors of all simulations into `signals`."""
        self._read(_ALL)

    def _read(self, rows: Rows | slice) -> None:
        plain, imu, engine = self._plain, self._imu, self._engine
        plain.values[rows] = engine.sensordata[rows].take(plain.columns, axis=1)
        burst = engine.burst[rows].take(imu.columns, axis=2).astype(np.float32)
        if self._noisy:
            plain.values[rows] += plain.error(rows, self._rng)
        if self._noisy and self._burst is not None:
            # White noise is added to each reading, so that their mean has the noise of a control
            # period.
            white = self._rng.standard_normal(burst.shape, dtype=np.float32)
            white *= imu.std * np.float32(np.sqrt(engine.substeps))
            burst += white
            burst += imu.bias[rows, None]
        imu.values[rows] = _mean(burst)
        if self._burst is not None:
            self._burst[rows] = burst
        elif self._noisy:
            imu.values[rows] += imu.error(rows, self._rng)

    def state(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs."""
        state = {"plain": self._plain.state(), "imu": self._imu.state()}
        return state if self._burst is None else {**state, "burst": self._burst.copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned."""
        self._plain.restore(state["plain"])
        self._imu.restore(state["imu"])
        if self._burst is not None:
            self._burst[:] = state["burst"]


class _Group:
    """Holds sensors that are read together: their columns, errors and newest values.

    Args:
        engine: provides the exact values.
        sensors: which sensors; there may be none.
        noise: by signal name.
    """

    def __init__(
        self, engine: Engine, sensors: Sequence[Sensor], noise: Mapping[str, Noise]
    ) -> None:
        columns = [engine.columns(*s.sources) for s in sensors]
        sizes = [len(c) for c in columns]
        errors = [noise.get(s.signal.name, Noise()) for s in sensors]
        self.columns: Rows = np.concatenate([np.zeros(0, np.intp), *columns])
        self.std: Array = np.repeat([e.std for e in errors], sizes).astype(np.float32)
        self._bias_range = np.repeat([e.bias for e in errors], sizes).astype(np.float32)
        self.noisy = bool(self.std.any() or self._bias_range.any())
        self.values: Array = np.zeros((engine.rows, len(self.columns)), np.float32)
        self.bias: Array = np.zeros_like(self.values)
        ends = np.cumsum(sizes)
        self.signals: dict[str, Array] = {
            s.signal.name: self.values[:, end - size : end]
            for s, end, size in zip(sensors, ends, sizes)
        }

    def draw_bias(self, rows: Rows, rng: np.random.Generator) -> None:
        """Draws the biases for a new episode of these simulations."""
        draw = rng.uniform(-1, 1, (len(rows), len(self.columns)))
        self.bias[rows] = self._bias_range * draw.astype(np.float32)

    def error(self, rows: Rows | slice, rng: np.random.Generator) -> Array:
        """Returns the error of one reading of these simulations, (n, columns)."""
        bias = self.bias[rows]
        error: Array = rng.standard_normal(bias.shape, dtype=np.float32)
        error *= self.std
        error += bias
        return error

    def state(self) -> dict[str, Array]:
        return {"values": self.values.copy(), "bias": self.bias.copy()}

    def restore(self, state: Mapping[str, Array]) -> None:
        self.values[:], self.bias[:] = state["values"], state["bias"]


def _mean(burst: Array) -> Array:
    """Returns the mean over the physics steps, (n, substeps, columns) -> (n, columns)."""
    total = burst[:, 0].copy()
    for step in range(1, burst.shape[1]):  # a reduction over the middle axis takes longer
        total += burst[:, step]
    total /= np.float32(burst.shape[1])
    return total
