"""The newest sample, taken over into fixed buffers and looked at before anyone trusts it."""

import math

import numpy as np

from edge_runtime.finite import all_finite
from edge_runtime.robot import RobotDescription, Sample
from edge_runtime.signal import IMU_ACCEL, IMU_BURST, IMU_GYRO, Array

# A live MEMS sensor never repeats itself bit for bit; encoders at standstill do.
IMU = (IMU_GYRO, IMU_ACCEL, IMU_BURST)


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
        self._live = [self.signals[name] for name in live]
        self._before = [b""] * len(self._live)
        self.sequence = -1  # of the newest sample; -1 before the first
        self.stamp = -math.inf  # of that sample
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
        self.sequence, self.stamp = sample.sequence, sample.stamp
        self._compare()
        self.not_finite = 0 if all_finite(self.values) else self.not_finite + 1
        return True

    def _compare(self) -> None:
        repeated = False
        for index, buffer in enumerate(self._live):
            now = buffer.tobytes()
            repeated |= now == self._before[index]
            self._before[index] = now
        self.repeats = self.repeats + 1 if repeated else 0
