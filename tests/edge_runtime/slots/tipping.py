"""Provides a robot that a bad policy tips over."""

import numpy as np

from edge_runtime.robot.robot import ActuatorCommand, Sample
from tests.edge_runtime.leg import BURST, LegRobot

_RATE = 1.0  # rad/s
_HOLDS = 0.5  # rad


class Tipping(LegRobot):
    """A robot that tips over while its hip's target is far out or `is_pushed`, else comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_pushed = False
        self.tilt, self._rate = 0.0, 0.0  # rad, rad/s

    def read(self) -> Sample | None:
        self.tilt = max(0.0, self.tilt + 0.02 * self._rate)
        self.lean(self.tilt)
        sample = super().read()
        self.values["imu_burst"].reshape(BURST, 6)[:, 1] += self._rate
        self.values["imu_gyro"][0, 1] += self._rate
        return sample

    def write(self, command: ActuatorCommand) -> None:
        super().write(command)
        tips = self.is_pushed or float(np.abs(command.target[0])) > _HOLDS
        self._rate = (1 + 3 * self.is_pushed) * _RATE if tips else -_RATE * (self.tilt > 0.02)
