"""Lets simulated robots of a device learn for some minutes, beside others that do not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.tier import Tier
from edge_runtime.policy.inference import Policy
from on_device.devices import Device
from policies.adaptation.learning_robots import LearningRobots
from policies.evaluation.policy_file import PolicyFile

SEED = 1000
MakeTier = Callable[[PolicyFile, int], Tier]  # policy, seed


@dataclass(frozen=True)
class Lived:
    """Holds what became of the robots of a device."""

    policies: Sequence[PolicyFile]  # of each learner at the end
    falls: float  # of a learner, on average
    falls_without: float  # of a robot that does not learn
    first: float  # s until the first learner had another policy
    training_return: Sequence[Sequence[float]]  # of each learner, a second each


def live(
    device: Device,
    make: MakeTier,
    learners: int,
    minutes: float,
    kit: LearnerKit | None = None,
) -> Lived:
    """Lets learners live on a device, each with its own seed, and as many that do not learn.

    Args:
        device: the device.
        make: makes what learns.
        learners: how many.
        minutes: how long.
        kit: with it the learners explore and know their on-board reward.
    """
    policy = PolicyFile.committed(device.policy)
    tiers: list[list[Tier]] = [[make(policy, seed)] for seed in range(learners)]
    tiers += [[] for _ in range(learners)]
    robots = LearningRobots(replace(policy.task, wear=device.wear), policy.model, tiers, SEED, kit)
    robots.run(60.0 * minutes)
    lives = robots.lives
    ended = [_as_file(policy, model) for model in robots.models[:learners]]
    falls = [life.falls for life in lives]
    proposed = [time for life in lives for time, _ in life.proposals]
    return Lived(
        ended,
        sum(falls[:learners]) / learners,
        sum(falls[learners:]) / learners,
        min(proposed, default=float("nan")),
        [life.rewards for life in lives[:learners]],
    )


def _as_file(policy: PolicyFile, model: bytes) -> PolicyFile:
    return replace(policy, model=model, contract=Policy(model).contract)
