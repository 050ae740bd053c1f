"""Decides what a robot is sent while the guard reacts: hold, controlled stop, damp."""

import math

import numpy as np

from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.robot.robot import Mode
from edge_runtime.safety.rules import Reaction
from edge_runtime.signals import Array


class SafeTargets:
    """Turns the policy's target and the guard's reaction into the target that is sent.

    A controlled stop ramps a legged robot to its default pose and then damps it. A robot with
    velocity actuators is slowed to rest with its positions (the steering) held, and stays so.
    A policy that can be trusted brings a legged robot to a stand, which is then damped, because
    no pose balances by itself; it steers the other robot while that one slows.

    Args:
        actuators: the actuators in the robot's order.
        period: time between two calls, s.
        stop_seconds: length of the ramp, s.
        rest_seconds: how long the policy of a legged robot may take to come to a stand, s; 0 for
            a policy without commands.
    """

    def __init__(
        self,
        actuators: tuple[Actuator, ...],
        period: float,
        stop_seconds: float,
        rest_seconds: float = 0.0,
    ) -> None:
        self.target = np.zeros(len(actuators), np.float32)  # to be sent, (A,), rad or rad/s
        self._from = self.target.copy()
        self._steps = max(1, math.ceil(stop_seconds / period))
        self._step = 0  # done of the ramp
        self._rest_steps = math.ceil(rest_seconds / period)
        self._rested = 0  # steps that the policy has had to come to a stand
        self.use(actuators)

    def use(self, actuators: tuple[Actuator, ...]) -> None:
        """Takes over another policy's actuators."""
        self._is_position = np.array([a.mode == POSITION for a in actuators])
        self._all_position = bool(self._is_position.all())
        self._default = np.array([a.default for a in actuators], np.float32)
        self._lower = np.array([a.lower for a in actuators], np.float32)
        self._upper = np.array([a.upper for a in actuators], np.float32)

    def begin(self, measured: Array | None) -> None:
        """Sets the target to where the joints are, before the policy's first.

        Args:
            measured: finite positions, (A,), rad, which are clipped to the actuators' limits; None
                for the default.
        """
        start = self._default if measured is None else measured
        self.target = np.where(
            self._is_position, np.clip(start, self._lower, self._upper), np.float32(0)
        )
        self._step = self._rested = 0

    @property
    def at_rest(self) -> bool:
        """Returns whether a controlled stop has ended."""
        return self._step >= self._steps

    def follow(self, target: Array) -> Mode:
        """Sends the policy's target, (actuators,), which this object owns from here on."""
        self.target = target
        self._step = self._rested = 0
        return Mode.RUN

    def rest(self, target: Array, periods: int = 1, *, asked: bool = False) -> Mode:
        """Goes on with a controlled stop by a policy that can be trusted.

        Args:
            target: (actuators,) the policy's for a command of 0; this object owns it from here on.
            periods: periods since the last call.
            asked: whether the operator asked for it, so that it takes as long as other stops.
        """
        if not self._all_position:
            mode = self.react(Reaction.STOP, periods)
            self.target = np.where(self._is_position, target, self.target)
            return mode
        if self._rest_steps == 0:
            return self.react(Reaction.STOP, periods)
        self._rested += periods
        if self._rested > (min(self._steps, self._rest_steps) if asked else self._rest_steps):
            self._step = self._steps
            return Mode.DAMP
        self.target = target
        self._step = 0
        return Mode.RUN

    def react(self, reaction: Reaction, periods: int = 1) -> Mode:
        """Sets `target` for a reaction, and returns the mode in which it is sent.

        Without a reaction the last good target is held, because the policy gave none.

        Args:
            reaction: the guard's reaction.
            periods: periods since the last call; more than 1 after missed ones.
        """
        if reaction is Reaction.DAMP:
            self._step = self._steps
            # A velocity actuator damps towards its target, which must be 0.
            self.target = np.where(self._is_position, self.target, np.float32(0))
            return Mode.DAMP
        if reaction <= Reaction.HOLD:
            return Mode.RUN
        if self._step == 0:
            np.copyto(self._from, self.target)
        self._step = min(self._step + periods, self._steps)
        end = self._default if self._all_position else np.where(self._is_position, self._from, 0)
        np.copyto(
            self.target, self._from + np.float32(self._step / self._steps) * (end - self._from)
        )
        return Mode.DAMP if self._all_position and self.at_rest else Mode.RUN
