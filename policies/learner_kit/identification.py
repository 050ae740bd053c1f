"""Trains what a kit knows of worn robots: how to identify the wear, and how fast to drive then."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from edge_runtime.config.fields import setting
from edge_runtime.learning.identify.features import can_sum_up
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY, COMMAND
from policies.evaluation.policy_file import PolicyFile
from policies.learner_kit.best_scale import BestScaleConfig, find_best_scale
from policies.learner_kit.train_identifier import IdentifierConfig, train_identifier
from policies.learner_kit.worn_robots import WornRobotsConfig, simulate_worn_robots


@dataclass(frozen=True)
class IdentificationConfig:
    """Sets how a robot learns in simulation to identify its wear."""

    worn: WornRobotsConfig = field(default_factory=WornRobotsConfig)
    identifier: IdentifierConfig = field(default_factory=IdentifierConfig)
    best_scale: BestScaleConfig = field(default_factory=BestScaleConfig)
    seed: int = setting(5, "Seed of everything random.", at_least=0)


def identification(
    policy: PolicyFile, config: IdentificationConfig, progress: Callable[[str], object]
) -> Mapping[str, npt.NDArray[Any]]:
    """Returns a kit's arrays of `Identifier` and, for a car, `ScaleByFriction`.

    There are none for a robot whose sensors do not tell how it is worn.

    Args:
        policy: what drives the worn robots.
        config: how many they are, and how the regression is trained.
        progress: called with what is under way.
    """

    def share_of(what: str) -> Callable[[float], object]:
        return lambda share: progress(f"{what}: {share:.0%}")

    sensed = {s.signal.name for s in policy.task.robot.sensors}
    if not can_sum_up({*sensed, ATTITUDE, BASE_VELOCITY, COMMAND}):
        return {}
    robots = simulate_worn_robots(
        policy, config.worn, config.seed, share_of(f"{config.worn.robots} worn robots move")
    )
    identifier = train_identifier(
        robots, config.identifier, config.seed, share_of("their wear is learned")
    )
    scale = find_best_scale(
        policy, config.best_scale, config.seed, share_of("speeds are tried on each grip")
    )
    return identifier.for_kit() | (scale.for_kit() if scale is not None else {})
