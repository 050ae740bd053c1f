"""Rewards a robot by what it senses itself, term by term."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edge_runtime.errors import UserError, suggestion
from edge_runtime.learning.reward.driving import (
    DRIVING,
    DRIVING_COSTS,
    DrivingFacts,
    DrivingSenses,
)
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.learning.reward.walking import (
    WALKING,
    WALKING_COSTS,
    WalkingFacts,
    WalkingSenses,
)
from edge_runtime.policy.contract import Contract
from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import Float


@dataclass(frozen=True)
class RewardConfig:
    """Weighs the terms of one kind of robot, per second, and says what they are measured by."""

    weights: Mapping[str, float] = field(default_factory=dict)
    """By term; costs are negative. The order is that of a row's rewards."""
    walking: WalkingFacts | None = None
    """What a robot on legs is measured by."""
    driving: DrivingFacts | None = None
    """What a car is measured by."""


class OnboardReward:
    """Computes the reward's terms on consecutive control steps of one robot.

    Args:
        config: which terms, and what they are measured by.
        contract: the policy's.
        robot: the robot's description.

    Raises:
        UserError: a term is unknown, or the robot has no such legs or wheels.
    """

    def __init__(self, config: RewardConfig, contract: Contract, robot: RobotDescription) -> None:
        self.names = tuple(config.weights)
        self.period = contract.control_period
        self.weights = np.array([*config.weights.values()]) * self.period  # (r,) of a step
        self._config, self._contract, self._robot = config, contract, robot
        known = _terms(config)
        unknown = [name for name in self.names if name not in known]
        if unknown:
            raise UserError(f"no reward term '{unknown[0]}' here; {suggestion(unknown[0], known)}")
        if config.walking and robot.legged is None:
            raise UserError(f"robot '{robot.name}' describes no legs to reward; use its own kit")
        if config.driving and robot.wheeled is None:
            raise UserError(f"robot '{robot.name}' describes no wheels to reward; use its own kit")

    def parts(self, steps: Steps) -> Float:
        """Returns each term of each step, (T, r), not weighted; `weights` weigh them.

        A batch that goes on from another begins with the last two steps of that one, of which the
        parts are to be dropped: some terms look back so far.
        """
        config, contract, robot = self._config, self._contract, self._robot
        columns: list[Float] = []
        if config.walking and robot.legged:
            walk = WalkingSenses(steps, config.walking, contract, robot.legged)
            columns = [WALKING[name](walk) for name in self.names]
        elif config.driving and robot.wheeled:
            drive = DrivingSenses(steps, config.driving, robot.wheeled)
            columns = [DRIVING[name](drive) for name in self.names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(steps), 0))

    def __call__(self, steps: Steps) -> Float:
        """Returns the reward of each step, (T,)."""
        return self.parts(steps) @ self.weights


def _terms(config: RewardConfig) -> tuple[str, ...]:
    if config.walking:
        return tuple(WALKING)
    return tuple(DRIVING) if config.driving else ()


def is_cost(config: RewardConfig, name: str) -> bool:
    """Returns whether a term of these is to be weighed down."""
    return name in (WALKING_COSTS if config.walking else DRIVING_COSTS)
