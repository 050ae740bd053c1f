"""From the engine's exact sensors to what a robot reads: averaged, noisy, biased, float32."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_runtime.signal import Array
from sim.engines.mujoco_cpu import MujocoEngine, Rows
from sim.robots.robot import Sensor

IMU = ("imu_gyro", "imu_accel")


@dataclass(frozen=True)
class Noise:
    """Error of one sensor, in its unit."""

    std: float = 0.0  # white, of each reading
    bias: float = 0.0  # constant over an episode, drawn from ±bias


class Readings:
    """The robot's sensors for N simulations.

    An IMU is read at every physics step, as its own clock does on a robot: its signals are the
    mean over the control period, and `imu_burst` (N, substeps * 6) keeps every gyroscope and
    accelerometer reading since the last control step, oldest first, for fusion.

    Args:
        engine: where the exact values come from.
        sensors: what to read.
        noise: by signal name; a signal that is not named is exact.
        rng: draws noise and biases.
    """

    def __init__(
        self,
        engine: MujocoEngine,
        sensors: tuple[Sensor, ...],
        noise: Mapping[str, Noise],
        rng: np.random.Generator,
    ) -> None:
        self._engine, self._rng = engine, rng
        columns = [engine.columns(*s.sources) for s in sensors]
        self._columns = np.concatenate(columns)
        sizes = [len(c) for c in columns]
        errors = [noise.get(s.signal.name, Noise()) for s in sensors]
        self._std = np.repeat([e.std for e in errors], sizes).astype(np.float32)
        self._bias_range = np.repeat([e.bias for e in errors], sizes).astype(np.float32)
        self._noisy = bool(self._std.any() or self._bias_range.any())
        rows = engine.rows
        self._values = np.zeros((rows, len(self._columns)), np.float32)
        self._bias = np.zeros_like(self._values)
        self._exact = np.zeros(self._values.shape)
        self._draw = np.zeros_like(self._values)
        ends = np.cumsum(sizes)
        self.signals: dict[str, Array] = {
            s.signal.name: self._values[:, end - size : end]
            for s, end, size in zip(sensors, ends, sizes)
        }
        names = [s.signal.name for s in sensors]
        self._imu_columns = engine.columns(*IMU)
        first = [ends[names.index(n)] - sizes[names.index(n)] for n in IMU]
        self._imu = np.concatenate([np.arange(f, f + 3) for f in first])
        self._burst_std = self._std[self._imu] * np.float32(np.sqrt(engine.substeps))
        self._burst = np.zeros((rows, engine.substeps, 6), np.float32)
        self.signals["imu_burst"] = self._burst.reshape(rows, -1)

    def reset(self, rows: Rows) -> None:
        """Draw new biases for these simulations and read them."""
        if self._noisy:
            draw = self._rng.uniform(-1, 1, (len(rows), len(self._columns)))
            self._bias[rows] = self._bias_range * draw.astype(np.float32)
        self._values[rows] = self._engine.sensordata[np.ix_(rows, self._columns)]
        self._burst[rows] = self._engine.burst[rows][:, :, self._imu_columns]
        if self._noisy:
            self._values[rows] += self._bias[rows] + self._std * self._white(rows, self._std.size)
            self._burst[rows] += self._bias[rows][:, None, self._imu]
            self._burst[rows] += self._burst_std * self._white(rows, self._engine.substeps, 6)
        self._values[np.ix_(rows, self._imu)] = self._burst[rows].mean(axis=1)

    def _white(self, rows: Rows, *shape: int) -> Array:
        return self._rng.standard_normal((len(rows), *shape), dtype=np.float32)

    def read(self) -> None:
        """Read all sensors of all simulations into `signals`."""
        self._engine.sensordata.take(self._columns, axis=1, out=self._exact)
        self._burst[:] = self._engine.burst.take(self._imu_columns, axis=2)
        if self._noisy:
            self._rng.standard_normal(dtype=np.float32, out=self._draw)
            self._draw *= self._std
            self._draw += self._bias
            self._exact += self._draw
            white = self._rng.standard_normal(self._burst.shape, dtype=np.float32)
            white *= self._burst_std
            white += self._bias[:, None, self._imu]
            self._burst += white
        self._values[:] = self._exact
        self._values[:, self._imu] = self._burst.mean(axis=1)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on bit-equal."""
        return {
            "values": self._values.copy(),
            "bias": self._bias.copy(),
            "burst": self._burst.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`."""
        self._values[:], self._bias[:] = state["values"], state["bias"]
        self._burst[:] = state["burst"]
