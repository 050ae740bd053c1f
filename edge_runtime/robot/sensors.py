"""Copies the newest sample into fixed buffers and checks it: new, finite, not frozen."""

import math
from collections.abc import Mapping

import numpy as np

from edge_runtime.finite import all_finite
from edge_runtime.robot.images import NO_IMAGES, Image
from edge_runtime.robot.robot import RobotDescription, Sample
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, Array, Signal

# The noise of a live MEMS sensor never repeats bit for bit; encoders repeat at standstill.
IMU_SIGNALS = (IMU_GYRO, IMU_ACCEL, IMU_BURST)
# rad/s of a joint or wheel: in 5 samples at 50 Hz it turns 3°, many steps of any encoder.
_MOVING = 0.5


class Sensors:
    """Holds the robot's signals, (1, size), in fixed buffers.

    Args:
        robot: its description; every sample holds all of its signals.
    """

    def __init__(self, robot: RobotDescription) -> None:
        self.values: Array = np.zeros(robot.sample_size, np.float32)  # all signals, joined
        self.signals: dict[str, Array] = robot.split(self.values)
        live = robot.live
        if live is None:
            live = tuple(name for name in IMU_SIGNALS if name in self.signals)
        places = _places(robot)
        self._live = [places[name] for name in live]
        self._live_moving = [places[name] for name in robot.live_moving]
        speeds = [s.name for s in robot.signals if s.name in robot.live_moving and _speed(s)]
        self._speeds = [self.signals[name] for name in speeds]
        self._bytes = self.values.data.cast("B")
        self._before = b""  # the values of the sample before
        self.sequence = -1  # of the newest sample; -1 before the first
        self.stamp = -math.inf  # of that sample
        self.images: Mapping[str, Image] = NO_IMAGES  # of that sample, by reference
        self.periods = 0  # sequence numbers from the sample before it to the newest
        self.repeats = 0  # samples in a row in which a live signal repeated itself
        self.not_finite = 0  # samples in a row with a NaN or infinite value
        self.new, self.lost, self.without_new = 0, 0, 0  # samples, and updates without one

    def update(self, sample: Sample | None) -> bool:
        """Copies a sample; returns False if there is none, or it is not newer than the last."""
        if (
            sample is None
            or sample.sequence == self.sequence
            or not sample.stamp > self.stamp  # true for NaN too
        ):
            self.without_new += 1
            return False
        self.values[:] = sample.values
        self.periods = max(sample.sequence - self.sequence, 1) if self.new else 1
        self.lost += self.periods - 1
        self.new += 1
        self.sequence, self.stamp, self.images = sample.sequence, sample.stamp, sample.images
        self._compare()
        self.not_finite = 0 if all_finite(self.values) else self.not_finite + 1
        return True

    def _compare(self) -> None:
        now, before = self._bytes.tobytes(), self._before
        self._before = now
        repeated = _repeats(self._live, now, before)
        if not repeated and _repeats(self._live_moving, now, before):
            # A speed that is frozen in motion stays large; one that is alive shows the standstill.
            repeated = any(_largest(speed[0].tolist()) > _MOVING for speed in self._speeds)
        self.repeats = self.repeats + 1 if repeated else 0


def _speed(signal: Signal) -> bool:
    return signal.unit == "rad/s"


def _repeats(places: list[slice], now: bytes, before: bytes) -> bool:
    for place in places:  # noqa: SIM110  a generator takes twice as long
        if now[place] == before[place]:
            return True
    return False


def _largest(values: list[float]) -> float:
    return max(max(values), -min(values))


def _places(robot: RobotDescription) -> dict[str, slice]:
    """Returns where each signal lies among the bytes of a sample."""
    places, start = {}, 0
    for signal in robot.signals:
        end = start + 4 * signal.size
        places[signal.name] = slice(start, end)
        start = end
    return places
