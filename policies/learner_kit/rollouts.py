"""Plays a policy on simulated robots, worn ones too, and records what a robot would sense."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_runtime.experience.layout import Flag, Layout, Rows
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.policy.contract import POSITION
from edge_runtime.signals import Array, Bool
from policies.evaluation.policy_file import PolicyFile
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.robot import SimRobot
from sim.robots.wear import Wear

_UNWORN = 3  # of how many devices one is as its model says


@dataclass(frozen=True)
class Rollout:
    """Holds T control steps of N robots, side by side."""

    observation: Array  # (T, N, n), before the step
    action: Array  # (T, N, A)
    log_prob: Array  # (T, N)
    reward: Array  # (T, N), the training's
    first: Bool  # (T, N)
    ended: Bool  # (T, N), for good
    cut: Bool  # (T, N), by the clock
    signals: Mapping[str, Array]  # (T, N, size) each, after the step

    @property
    def robots(self) -> int:
        """Returns N."""
        return int(self.first.shape[1])

    def steps(self, robot: int) -> Steps:
        """Returns what one of the robots sensed."""
        signals = {name: values[:, robot] for name, values in self.signals.items()}
        return Steps(signals, self.first[:, robot], self.ended[:, robot])

    def rows(self, robot: int, layout: Layout) -> Rows:
        """Returns the experience of one of the robots, without rewards."""
        rows: Rows = np.zeros(len(self.first), layout.dtype)
        rows["number"] = np.arange(len(rows))
        for name in ("observation", "action", "log_prob"):
            rows[name] = getattr(self, name)[:, robot]
        rows["flags"] = np.where(self.ended[:, robot], Flag.END, 0)
        rows["flags"] |= np.where(self.cut[:, robot], Flag.CUT, 0).astype(np.uint8)
        return rows


def random_wear(robot: SimRobot, rng: np.random.Generator) -> Wear:
    """Draws how a device is worn: one or two joints, and what its body and ground do."""
    names = [a.name for a in robot.actuators]
    turning = [a.name for a in robot.actuators if a.mode == POSITION]
    gains = {str(j): float(rng.uniform(0.4, 0.9)) for j in rng.choice(names, 2, replace=False)}
    if robot.legs is None:
        offset = float(rng.uniform(-0.12, 0.12))
        return Wear(offsets={turning[0]: offset}, friction=float(rng.uniform(0.75, 1.1)))
    offsets = {str(rng.choice(turning)): float(rng.uniform(-0.2, 0.2))}
    kind = rng.integers(3)
    return Wear(
        gains=gains if kind != 1 else {},
        offsets=offsets if kind != 0 else {},
        payload=float(rng.uniform(0.0, 8.0)),
        sole=float(rng.uniform(0.0, 0.015)),
    )


def devices(robot: SimRobot, count: int, seed: int) -> list[Wear]:
    """Returns the wear of so many devices, of which every third has none."""
    rng = np.random.default_rng(seed)
    return [random_wear(robot, rng) if k % _UNWORN else Wear() for k in range(count)]


class Recorder:
    """Records rollouts of a policy that explores, on one device or robots worn alike.

    Args:
        policy: the policy.
        wear: how the robots are worn.
        robots: N.
        std: the exploration's standard deviation of each action, (A,).
        seed: the seed of the simulation and of the exploration.
    """

    def __init__(self, policy: PolicyFile, wear: Wear, robots: int, std: Array, seed: int) -> None:
        task = replace(policy.task, wear=wear)
        self.env = TaskVectorEnv(task, robots, seed=seed, threads=1, all_signals=True)
        self.env.resets_itself = False
        policy.drive(self.env)
        self._observation, _ = self.env.reset(seed=seed)
        self._rng = np.random.default_rng((seed, 1))
        self._std, self._first = std, np.ones(robots, bool)
        self._act = policy.actor(robots)

    @property
    def substeps(self) -> int:
        """Returns the physics steps of a control step."""
        return self.env.engine.substeps

    def record(self, steps: int) -> Rollout:
        """Records the next T steps of all robots; an episode that ends begins anew."""
        kept: dict[str, list[Any]] = {}
        for _ in range(steps):
            observation, first = self._observation, self._first
            mean = np.asarray(self._act(observation), np.float32)
            noise = self._rng.standard_normal(mean.shape).astype(np.float32)
            action = np.asarray(mean + noise * self._std, np.float32)
            self._observation, reward, ended, cut, _ = self.env.step(action)
            signals = {f"signal {n}": v.copy() for n, v in self.env.signals.items()}
            log_prob = -0.5 * (noise**2).sum(axis=1) - np.log(self._std).sum()
            log_prob -= 0.5 * len(self._std) * np.log(2 * np.pi)
            now: dict[str, Any] = {
                "observation": observation,
                "action": action,
                "log_prob": log_prob,
                "reward": reward,
                "first": first,
                "ended": ended,
                "cut": cut,
                **signals,
            }
            for name, value in now.items():
                kept.setdefault(name, []).append(value)
            self._first = ended | cut
            if self._first.any():
                options = {"reset_mask": self._first}
                self._observation, _ = self.env.reset(options=options)
        arrays: dict[str, Any] = {name: np.stack(values) for name, values in kept.items()}
        sensed = {n.removeprefix("signal "): arrays.pop(n) for n in [*arrays] if " " in n}
        return Rollout(signals=sensed, **arrays)

    def close(self) -> None:
        """Ends the simulation."""
        self.env.close()
