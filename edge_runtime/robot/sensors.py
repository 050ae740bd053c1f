"""The newest sample, taken over into fixed buffers and looked at before anyone trusts it."""

import math
from collections.abc import Mapping

import numpy as np

from edge_runtime.finite import all_finite
from edge_runtime.robot.images import NO_IMAGES, Image
from edge_runtime.robot.robot import RobotDescription, Sample
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, Array, Signal

# A live MEMS sensor never repeats itself bit for bit; encoders at standstill do.
IMU = (IMU_GYRO, IMU_ACCEL, IMU_BURST)
# rad/s of any joint or wheel: 5 samples at 50 Hz are then 3°, many steps of any encoder.
_MOVES = 0.5


class Sensors:
    """Holds the robot's signals, (1, size), in fixed buffers.

    Args:
        robot: what it has; every sample must hold all of its signals.
    """

    def __init__(self, robot: RobotDescription) -> None:
        self.values: Array = np.zeros(robot.sample_size, np.float32)  # all signals, joined
        self.signals: dict[str, Array] = robot.split(self.values)
        live = robot.live
        if live is None:
            live = tuple(name for name in IMU if name in self.signals)
        places = _places(robot)
        self._live = [places[name] for name in live]
        self._live_moving = [places[name] for name in robot.live_moving]
        speeds = [s.name for s in robot.signals if s.name in robot.live_moving and _speed(s)]
        self._speeds = [self.signals[name] for name in speeds]
        self._bytes = self.values.data.cast("B")
        self._before = b""  # the values as they were
        self.sequence = -1  # of the newest sample; -1 before the first
        self.stamp = -math.inf  # of that sample
        self.images: Mapping[str, Image] = NO_IMAGES  # of that sample, by reference
        self.periods = 0  # sequence numbers from the sample before it to the newest
        self.repeats = 0  # samples in a row in which a live signal repeated itself
        self.not_finite = 0  # samples in a row with a NaN or infinite value
        self.new, self.lost, self.nothing_new = 0, 0, 0  # counted over all looks

    def look(self, sample: Sample | None) -> bool:
        """Take over a sample; False if there is none yet, or it is not newer than the last."""
        if (
            sample is None
            or sample.sequence == self.sequence
            or not sample.stamp > self.stamp  # NaN neither
        ):
            self.nothing_new += 1
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
            # Frozen in motion, a speed goes on to tell of it; one that is alive tells the truth.
            repeated = any(_largest(speed[0].tolist()) > _MOVES for speed in self._speeds)
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
    """Where each signal is among the bytes of a sample."""
    places, start = {}, 0
    for signal in robot.signals:
        end = start + 4 * signal.size
        places[signal.name] = slice(start, end)
        start = end
    return places
