"""Explores: adds bounded noise to a policy's actions, for a learner to tell good ones from bad."""

import math

import numpy as np

from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.controller import Controller
from edge_runtime.safety.rules import Fault
from edge_runtime.signals import Array

_BLOCK = 64  # actions whose noise is drawn at once
_MOST = 2.0  # standard deviations
_FADE_SECONDS = 0.5  # s in which the noise comes back


class Exploration:
    """Adds Gaussian noise within two standard deviations to actions, and knows their probability.

    The control loop's thread calls it. The log-probability is that of the Gaussian without its
    bounds, of the action after the clip: the bounds change it by the same amount for each policy
    whose mean is near, so it cancels where a learner compares two. Where the noise is faded, or
    the policy does not drive, it is NaN, so that a learner leaves the action out.

    Args:
        std: standard deviation of each action, (A,), in the policy's order.
        clip: the largest action.
        seed: draws the noise.
    """

    def __init__(self, std: Array, clip: float, seed: int) -> None:
        self._std = np.asarray(std, np.float32)
        self._clip = np.float32(clip)
        self._rng = np.random.default_rng(seed)
        self._noise = np.zeros((_BLOCK, len(self._std)), np.float32)
        self._at = _BLOCK  # rows of the block that were used
        known = self._std > 0  # what is not explored has no density
        self._inverse = np.divide(1, self._std, out=np.zeros_like(self._std), where=known)
        count = int(known.sum())
        density = 0.5 * count * math.log(2 * math.pi)
        self._constant = density + float(np.log(self._std[known]).sum())
        self.share = 0.0
        """How much of the noise is added, from 0 to 1; between two actions."""
        self.log_prob = math.nan
        """Log-probability of the last action."""
        self.explored = 0
        """Actions with all of the noise."""

    def __call__(self, action: Array) -> None:
        """Adds noise to an action, (1, A), in place."""
        if self.share <= 0:
            self.log_prob = math.nan
            return
        if self._at == _BLOCK:
            self._draw()
        noise = self._noise[self._at]
        self._at += 1
        mean = action[0].copy()
        explored = action[0]
        np.multiply(noise, self._std * np.float32(self.share), out=explored)
        explored += mean
        np.maximum(explored, -self._clip, out=explored)
        np.minimum(explored, self._clip, out=explored)
        if self.share < 1:
            self.log_prob = math.nan
            return
        distance = (explored - mean) * self._inverse
        self.log_prob = -0.5 * float(distance @ distance) - self._constant
        self.explored += 1

    def _draw(self) -> None:
        noise = self._rng.standard_normal(self._noise.shape, np.float32)
        while (beyond := np.abs(noise) > _MOST).any():
            noise[beyond] = self._rng.standard_normal(int(beyond.sum()), np.float32)
        self._noise, self._at = noise, 0


class CalmExploration:
    """Observes a loop's ticks, and lets its actions be explored while the robot is calm.

    The noise ends in the tick after the robot tilted too far, the guard reacted, another policy
    took over, or the exploration was paused. It comes back bit by bit.

    Args:
        loop: the loop; its controllers explore from now on.
        exploration: what adds the noise.
        largest_tilt: rad from upright, beyond which nothing is explored.
    """

    def __init__(self, loop: ControlLoop, exploration: Exploration, largest_tilt: float) -> None:
        self._loop, self._exploration = loop, exploration
        self._largest_tilt = largest_tilt
        self._step = min(1.0, loop.period * 1e-9 / _FADE_SECONDS)
        self._controller: Controller | None = None  # that drove last
        self.paused = False
        """Whether nothing is explored; any thread may change it."""
        loop.controller.explore = exploration

    def observe(self, tick: Tick) -> None:
        """Decides how much noise the next action gets."""
        exploration, before = self._exploration, self._controller
        self._controller = tick.controller
        tilt = self._loop.guard.measures[Fault.TILT]
        calm = tick.drove and not tick.reaction and tick.controller is before and not self.paused
        if calm and tilt <= self._largest_tilt:
            exploration.share = min(1.0, exploration.share + self._step)
        else:
            exploration.share = 0.0
