"""Finds in simulation how fast a car should drive on what grip."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.learning.identify.identified_trims import ScaleByFriction
from edge_runtime.policy.contract import POSITION
from policies.evaluation.episodes import play
from policies.evaluation.measures import MeasuredEnv
from policies.evaluation.policy_file import PolicyFile
from sim.robots.wear import Wear


@dataclass(frozen=True)
class BestScaleConfig:
    """Sets what is tried."""

    frictions: tuple[float, ...] = (0.45, 0.55, 0.65, 0.75, 0.9, 1.05)
    """Factors on the friction of the ground."""
    scales: tuple[float, ...] = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
    """Factors on the drive's action."""
    episodes: int = setting(24, "How many of each.", at_least=1)
    seconds: float = setting(15.0, "Length of an episode.", "s", at_least=1, at_most=600)


def find_best_scale(
    policy: PolicyFile,
    config: BestScaleConfig,
    seed: int,
    progress: Callable[[float], object] = lambda share: None,
) -> ScaleByFriction | None:
    """Returns the factor with the best return for each grip; None for a robot without a drive.

    Args:
        policy: what drives.
        config: what is tried.
        seed: the seed of everything random; its worlds are those of trainings.
        progress: called with the share that is done.
    """
    actuators = policy.task.robot.actuators
    driven = [k for k, a in enumerate(actuators) if a.mode != POSITION]
    if not driven:
        return None
    rows, best = np.repeat(config.scales, config.episodes), list[float]()
    nominal = np.tile([a.action_scale for a in actuators], (len(rows), 1)).astype(np.float32)
    for number, friction in enumerate(config.frictions):
        wear = Wear(friction=friction)
        task = replace(policy.task, wear=wear, episode_seconds=config.seconds)
        with closing(MeasuredEnv(task, len(rows), seed=seed)) as env:
            scale = nominal.copy()
            scale[:, driven] *= rows[:, None]
            env.action_map.scale = scale
            total = play(env, policy.actor(len(rows)), seed).total_reward
        means = total.reshape(len(config.scales), config.episodes).mean(axis=1)
        # Smoothed over the neighbours, for the returns of a few episodes are noisy.
        smooth = np.convolve(np.pad(means, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
        best.append(config.scales[int(np.argmax(smooth))])
        progress((number + 1) / len(config.frictions))
    rising = np.maximum.accumulate(best)
    return ScaleByFriction(np.array(config.frictions), rising)
