"""Keeps the heading that the commanded yaw rate asks for."""

import math
from dataclasses import dataclass

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.policy.contract import Contract
from edge_runtime.signals import Array

_YAW_RATE = "yaw_rate"  # the command that it corrects
_FARTHEST = 0.5  # rad, of the heading from the one asked for; a robot turned farther was pushed
_LARGEST_TRIM = 0.3  # rad/s


@dataclass(frozen=True)
class HeadingHoldConfig:
    """Corrects a policy's steady error of yaw rate, which bends a straight walk into an arc."""

    gain: float = setting(0.0, unit="1/s", at_least=0, at_most=5)
    """Yaw rate that is added for each rad of heading that is missing; 0: none. A trim that learns
    the steady error follows with a quarter of its square, which does not overshoot."""


class HeadingHold:
    """Adds to the commanded yaw rate what brings the robot back to the heading asked for.

    That heading is the integral of the commanded yaw rate from where the robot began to move. A
    command of zeros is left alone, so that a standing robot stands.

    Args:
        config: how strongly it corrects.
        contract: the policy's, whose command `yaw_rate` is corrected; without it nothing is.
        period: s, of control.
    """

    def __init__(self, config: HeadingHoldConfig, contract: Contract, period: float) -> None:
        names = [command.name for command in contract.commands]
        self._gain, self._period = config.gain, period
        self._place = names.index(_YAW_RATE) if config.gain and _YAW_RATE in names else None
        self._wanted: float | None = None  # rad; none while the robot is asked to stand
        self._trim = 0.0  # rad/s, of the policy's steady error

    def reset(self) -> None:
        """Starts again from the heading that the robot has then."""
        self._wanted, self._trim = None, 0.0

    def correct(self, command: Array, attitude: Array, periods: int) -> Array:
        """Returns the command to follow.

        Args:
            command: what the operator asks for, (C,).
            attitude: quaternion wxyz, body to world, (4,).
            periods: control periods since the last call.

        Returns:
            (C,): `command` itself, or a new array.
        """
        place = self._place
        if place is None:
            return command
        if not command.any():
            self._wanted = None
            return command
        w, x, y, z = attitude.tolist()
        heading = math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
        rate = float(command[place])
        if self._wanted is None:
            self._wanted = heading
        else:
            self._wanted += rate * self._period * periods
        missing = math.remainder(self._wanted - heading, math.tau)
        if not math.isfinite(missing):
            return command
        missing = min(max(missing, -_FARTHEST), _FARTHEST)
        self._wanted = heading + missing
        trim = self._trim + 0.25 * self._gain**2 * missing * self._period * periods
        self._trim = min(max(trim, -_LARGEST_TRIM), _LARGEST_TRIM)
        corrected = np.array(command)
        corrected[place] = rate + self._gain * missing + self._trim
        return corrected
