"""The newest sample, taken over into fixed buffers and looked at before anyone trusts it."""

import numpy as np

from edge_runtime.finite import all_finite
from edge_runtime.robot import RobotDescription, Sample
from edge_runtime.signal import IMU_ACCEL, IMU_GYRO, Array

# A live MEMS sensor never repeats itself bit for bit; encoders at standstill do.
NEVER_REPEAT = (IMU_GYRO, IMU_ACCEL)


class Sensors:
    """Holds the robot's signals, (1, size), in fixed buffers.

    Args:
        robot: what it has; every sample must hold all of its signals.
        never_repeat: signals that change with every sample unless their sensor is frozen;
            those that the robot does not have are left out.
    """

    def __init__(
        self, robot: RobotDescription, never_repeat: tuple[str, ...] = NEVER_REPEAT
    ) -> None:
        self._flat = np.zeros(robot.sample_size, np.float32)
        self.signals: dict[str, Array] = robot.split(self._flat)
        self._watched = [self.signals[name] for name in never_repeat if name in self.signals]
        self._before = [b""] * len(self._watched)
        self.sequence = -1  # of the newest sample; -1 before the first
        self.periods = 0  # sequence numbers from the sample before it to the newest
        self.repeats = 0  # samples in a row in which a watched signal repeated itself
        self.not_finite = 0  # samples in a row with a NaN or infinite value
        self.new, self.lost, self.nothing_new = 0, 0, 0  # counted over all looks

    def look(self, sample: Sample | None) -> bool:
        """Take over a sample; False if there is none yet, or the same one again."""
        if sample is None or sample.sequence == self.sequence:
            self.nothing_new += 1
            return False
        self._flat[:] = sample.values
        self.periods = max(sample.sequence - self.sequence, 1) if self.new else 1
        self.lost += self.periods - 1
        self.new += 1
        self.sequence = sample.sequence
        self._compare()
        self.not_finite = 0 if all_finite(self._flat) else self.not_finite + 1
        return True

    def _compare(self) -> None:
        repeated = False
        for index, buffer in enumerate(self._watched):
            now = buffer.tobytes()
            repeated |= now == self._before[index]
            self._before[index] = now
        self.repeats = self.repeats + 1 if repeated else 0
