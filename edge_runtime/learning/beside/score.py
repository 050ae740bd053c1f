"""Scores a tick by the on-board reward, for a canary to compare two policies."""

import numpy as np

from edge_runtime.learning.reward.onboard_reward import OnboardReward
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.binding import PER_JOINT
from edge_runtime.signals import COMMAND, CONTROL_STEP, LAST_ACTION, Array

_STEPS = 3  # as many as a term looks back, and the one that is scored
_COST = 4e-4  # s that it takes to score one, roughly
_SHARE = 0.02  # of the period, for scoring


class OnboardScore:
    """Gives the reward of the control step that a tick completes, per second.

    It keeps the last steps to itself, so each trial needs one of its own. The control loop's
    thread calls it; in a fast loop it scores one of several steps, and gives that score again.

    Args:
        reward: computes the reward.
        to_policy: where each joint of the policy stands in the robot's order.
    """

    def __init__(self, reward: OnboardReward, to_policy: tuple[int, ...]) -> None:
        self._reward, self._to_policy = reward, np.array(to_policy, np.intp)
        self._every = max(1, round(_COST / (_SHARE * reward.period)))  # steps for each score
        self._left = 0  # until the next score
        self._score = 0.0
        self._steps: list[dict[str, Array]] = []  # signals of the last steps
        self._first: list[bool] = []
        self._number = -_STEPS  # of the tick before
        self._action: Array | None = None  # in the tick before
        self._command: Array | None = None

    def __call__(self, tick: Tick) -> float:
        """Returns the reward of the step before this tick, or of the last one that was scored."""
        goes_on = tick.number == self._number + 1 and not tick.missed and not tick.was_reset
        action, command = self._action, self._command
        self._number = tick.number
        self._action = tick.action[self._to_policy]
        self._command = tick.command.copy()
        if not goes_on or action is None or command is None:
            self._steps.clear()
            self._first.clear()
            return self._score
        signals = {**tick.signals, **tick.estimates}
        step = {
            name: values[0][self._to_policy] if name in PER_JOINT else values[0].copy()
            for name, values in signals.items()
        }
        step |= {COMMAND: command, LAST_ACTION: action}
        step |= {CONTROL_STEP: tick.controller.step[0].copy()}
        self._steps = [*self._steps, step][-_STEPS:]
        self._first = [*self._first, not self._first][-_STEPS:]
        self._left -= 1
        if self._left > 0:
            return self._score
        self._left = self._every
        joined = {name: np.stack([of[name] for of in self._steps]) for name in step}
        first = np.array(self._first)
        steps = Steps(joined, first, np.zeros(len(first), bool))
        self._score = float(self._reward(steps)[-1]) / self._reward.period
        return self._score
