"""Samples the actions that a robot explores with, within bounds."""

import math
from typing import Any

import numpy as np

from edge_runtime.signals import Array


class Exploration:
    """Adds Gaussian noise to a policy's actions while the robot stands upright.

    Args:
        std: the standard deviation of each action, (A,).
        largest_tilt: from upright, rad, beyond which the robot does not explore.
        seed: the seed of the noise.
    """

    def __init__(self, std: Array, largest_tilt: float, seed: int = 0) -> None:
        self._std, self._upright = std, math.cos(largest_tilt)
        self._size = float(np.log(std).sum() + 0.5 * len(std) * math.log(2 * math.pi))
        self._rng = np.random.default_rng(seed)

    def sample(self, mean: Array, attitude: Array) -> tuple[Array, float]:
        """Returns an action, (A,), and its log-probability; NaN where the policy's own is taken.

        Args:
            mean: the policy's action before the clip, (A,).
            attitude: body to world, wxyz, (4,).
        """
        x, y = float(attitude[1]), float(attitude[2])
        if not 1.0 - 2.0 * (x * x + y * y) > self._upright:
            return mean.copy(), math.nan
        noise = self._rng.standard_normal(len(mean)).astype(np.float32)
        action = np.asarray(mean + self._std * noise, np.float32)
        return action, -0.5 * float(noise @ noise) - self._size

    def state(self) -> Any:
        """Returns everything that a bit-equal continuation needs."""
        return self._rng.bit_generator.state

    def restore(self, state: Any) -> None:
        """Goes on from a `state`."""
        self._rng.bit_generator.state = state
