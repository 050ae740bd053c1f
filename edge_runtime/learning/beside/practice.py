"""Gives a robot that practises alone its commands, and lets it go on after a fall."""

from dataclasses import dataclass

import numpy as np

from edge_runtime.config.fields import LONGEST, Range, setting
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.signals import RESTARTS


@dataclass(frozen=True)
class PracticeConfig:
    """Sets what a robot is asked for that practises alone; the defaults are as in training."""

    interval: Range = setting(
        (3.0, 8.0), "Time between two commands.", "s", above=0, at_most=LONGEST
    )
    standing: float = setting(0.2, "Share of commands to stand still.", at_least=0, at_most=1)
    straight: float = setting(0.25, at_least=0, at_most=1)
    """Share of commands that ask for the first component alone, such as forward speed."""


class PracticeCommands:
    """Observes ticks, and draws another command within the trained range now and then.

    Args:
        loop: the loop that is commanded.
        config: how often, and how.
        seed: draws the commands.
    """

    def __init__(self, loop: ControlLoop, config: PracticeConfig, seed: int) -> None:
        self._loop, self._config = loop, config
        self._rng = np.random.default_rng(seed)
        commands = loop.controller.contract.commands
        self._low = np.array([command.lower for command in commands])
        self._high = np.array([command.upper for command in commands])
        self._left = 0  # ticks until the next command
        self.ended = False
        """Whether no more commands are given, for the robot comes to rest; any thread sets it."""

    def observe(self, tick: Tick) -> None:
        """Counts a tick."""
        self._left -= 1 + tick.missed
        if self._left > 0 or self.ended or not len(self._low):
            return
        period = self._loop.period * 1e-9
        self._left = max(1, round(float(self._rng.uniform(*self._config.interval)) / period))
        self._loop.command.put(self._drawn())

    def _drawn(self) -> "np.typing.NDArray[np.float32]":
        drawn = self._rng.uniform(self._low, self._high)
        kind = float(self._rng.uniform())
        if kind < self._config.standing + self._config.straight:
            drawn[1:] = 0.0
        if kind < self._config.standing:
            drawn[:] = 0.0
        return drawn.astype(np.float32)


class BackOnItsFeet:
    """Observes ticks, and lets the policy drive again once the robot was put back.

    The signal `restarts` of the robot counts how often that was.

    Args:
        loop: the loop, whose latched reaction is released.
    """

    def __init__(self, loop: ControlLoop) -> None:
        self._loop = loop
        self._restarts = 0.0

    def observe(self, tick: Tick) -> None:
        """Looks whether the robot was put back."""
        if RESTARTS not in tick.signals:
            return
        restarts = float(tick.signals[RESTARTS][0, 0])
        if restarts != self._restarts:
            self._restarts = restarts
            self._loop.reset()
