"""Simulates robots that are worn in known ways, and sums up what they feel."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.learning.identify.features import Features, Step
from edge_runtime.learning.identify.identifier import (
    FRICTION,
    GAINS,
    OFFSET,
    PAYLOAD,
    SOLE,
    kind_of,
)
from edge_runtime.policy.contract import POSITION
from edge_runtime.signals import Float
from policies.evaluation.policy_file import Actor, PolicyFile
from sim.envs.worn_batch import WornBatch
from sim.robots.robot import SimRobot
from sim.robots.wear import Wear

_SKIPPED = 0.5  # s after a start
_SLOWEST = 0.6  # share of its speed at which a car drives
_FEWEST = 2.0  # s that a robot must have walked or driven to count


@dataclass(frozen=True)
class WornRobotsConfig:
    """Sets how many robots are simulated, and how they are worn."""

    robots: int = setting(6144, "How many, each worn in another way.", at_least=64)
    side_by_side: int = setting(256, "How many of them at once.", at_least=1)
    seconds: float = setting(12.0, "How long each walks or drives.", "s", at_least=3, at_most=600)
    faults: int = setting(3, "The most faults of a robot.", at_least=1, at_most=10)
    gains: tuple[float, float] = setting((0.3, 1.2), "Factor on a joint's gains.", above=0)
    offset: float = setting(0.3, "Largest offset of an encoder.", "rad", above=0, at_most=1)
    payload: float = setting(15.0, "Largest mass added to the main body.", "kg", above=0)
    sole: float = setting(0.02, "Largest thickness added to the soles.", "m", above=0)
    friction: tuple[float, float] = setting((0.5, 1.1), "Factor on the ground's grip.", above=0)


@dataclass(frozen=True)
class WornRobots:
    """Holds what worn robots felt, and how they were worn."""

    names: tuple[str, ...]
    features: Float  # (N, F)
    numbers: Float  # (N, P); of gains the logarithm


def numbers_of_wear(robot: SimRobot) -> tuple[str, ...]:
    """Returns the names of what a robot may identify of itself."""
    if robot.legs is None:
        joints = [a.name for a in robot.actuators if a.mode == POSITION]
        return (*(f"{joint}.{OFFSET}" for joint in joints), FRICTION)
    arms = re.compile("|".join(map(re.escape, robot.legs.arms)) or "$^")
    joints = [a.name for a in robot.actuators if not arms.search(a.name)]
    names = [f"{joint}.{kind}" for kind in (GAINS, OFFSET) for joint in joints]
    return (*names, PAYLOAD, SOLE)


def simulate_worn_robots(
    policy: PolicyFile,
    config: WornRobotsConfig,
    seed: int,
    progress: Callable[[float], object] = lambda share: None,
) -> WornRobots:
    """Lets a policy drive robots that are worn at random, and sums up what they feel.

    Args:
        policy: what drives them.
        config: how many, and how they are worn.
        seed: the seed of everything random.
        progress: called with the share that is done.
    """
    task = replace(policy.task, episode_seconds=config.seconds)
    names, count = numbers_of_wear(task.robot), min(config.side_by_side, config.robots)
    features, numbers = list[Float](), list[Float]()
    act, rounds = policy.actor(count), -(-config.robots // count)
    with closing(
        WornBatch(
            task,
            count,
            lambda rng: draw_wear(names, config, rng),
            seed=seed,
            all_signals=True,
        )
    ) as env:
        for number in range(rounds):
            summed, worn = _walk(env, policy, act, seed + number)
            enough = summed.steps * task.control_period >= _FEWEST
            features.append(summed.values()[enough])
            numbers.append(np.array([as_numbers(wear, names) for wear in worn])[enough])
            progress((number + 1) / rounds)
    return WornRobots(names, np.concatenate(features), np.concatenate(numbers))


def draw_wear(names: tuple[str, ...], config: WornRobotsConfig, rng: np.random.Generator) -> Wear:
    """Draws a robot's wear: some of what may be identified, each by as much as the config says."""
    gains, offsets = dict[str, float](), dict[str, float]()
    others = dict[str, Any]()
    whole = [name for name in names if "." not in name]
    for _ in range(rng.integers(0, config.faults + 1)):
        # As often a joint as the body or the ground would be, were they as many.
        of_joint = rng.random() < 0.5 or not whole
        if names[0].endswith(GAINS):
            of_joint = rng.random() < 0.8
        joints = [name for name in names if "." in name]
        name = str(rng.choice(joints if of_joint else whole))
        joint, kind = name.rpartition(".")[0], kind_of(name)
        if kind == GAINS:
            low, high = np.log(config.gains)
            gains[joint] = float(np.exp(rng.uniform(low, high)))
        elif kind == OFFSET:
            offsets[joint] = float(rng.uniform(-config.offset, config.offset))
        elif kind == FRICTION:
            others[kind] = float(rng.uniform(*config.friction))
        else:
            others[kind] = float(rng.uniform(0.0, getattr(config, kind)))
    return Wear(gains=gains, offsets=offsets, **others)


def as_numbers(wear: Wear, names: tuple[str, ...]) -> list[float]:
    """Returns a robot's wear as the identifier gives it: of gains the logarithm."""
    found = []
    for name in names:
        joint, _, kind = name.rpartition(".")
        if kind == GAINS:
            found.append(float(np.log(wear.gains.get(joint, 1.0))))
        elif kind == OFFSET:
            found.append(wear.offsets.get(joint, 0.0))
        else:
            found.append(float(getattr(wear, kind)))
    return found


def _slow_down(env: WornBatch, rng: np.random.Generator) -> None:
    """Lets each car drive at another speed, as one whose policy is trimmed does."""
    actuators = env.config.robot.actuators
    scale = np.tile([a.action_scale for a in actuators], (env.num_envs, 1))
    driven = [k for k, a in enumerate(actuators) if a.mode != POSITION]
    scale[:, driven] *= rng.uniform(_SLOWEST, 1.0, (env.num_envs, 1))
    env.action_map.scale = scale.astype(np.float32)


def _walk(env: WornBatch, policy: PolicyFile, act: Actor, seed: int) -> tuple[Features, list[Wear]]:
    """Plays an episode of each robot; returns what they felt before they fell, and their wear."""
    observations, _ = env.reset(seed=seed)
    worn, period = list(env.wears), env.config.control_period
    summed, alive = Features(policy.contract, env.num_envs), np.ones(env.num_envs, bool)
    before = np.tile(env.action_map.default, (env.num_envs, 1))
    _slow_down(env, np.random.default_rng(seed))
    for step in range(env.max_steps):
        action = act(observations)
        target = env.action_map.target(env.action_map.clip(action))
        observations, _, terminated, truncated, _ = env.step(action)
        alive &= ~(terminated | truncated)
        summed.add(Step(env.signals, target, before), alive & (step * period >= _SKIPPED))
        before = target
        if not alive.any():
            break
    return summed, worn
