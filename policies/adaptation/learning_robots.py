"""Lets N simulated robots learn side by side, each from its own experience with its own policy."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge_runtime.experience.layout import Flag
from edge_runtime.learning.feed.exploration import Exploration
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.reward.onboard_reward import OnboardReward
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.learning.tier import Proposal, Rows, Tier
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import ATTITUDE, DEFAULT_TARGET, Array, Signals
from sim.engines.actuators import scale_gains
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.description import describe
from sim.tasks.task import TaskConfig

_CHUNK_SECONDS = 1.0  # of experience that a tier takes at once


@dataclass
class Life:
    """Tells what happened to one robot while it learned."""

    falls: int = 0
    rewards: list[float] = field(default_factory=list)  # of the training, a second each
    proposals: list[tuple[float, Proposal]] = field(default_factory=list)  # with the time, s


class LearningRobots:
    """Simulates N robots of one kind that are worn alike, and lets each one learn.

    A robot keeps its dynamics, as a real one does; commands, tracks and noise vary. After a fall it
    is put back on its feet. What a tier proposes drives from the next step on: a trial in shadow
    and as a canary takes place in the control loop, which is not simulated here.

    Args:
        task: with the robots' wear.
        model: the policy file that all begin with.
        tiers: what learns, for each robot.
        seed: the seed of everything random.
        kit: the learner kit, with which the robots explore and compute their on-board reward; None
            for tiers that need neither.
    """

    def __init__(
        self,
        task: TaskConfig,
        model: bytes,
        tiers: Sequence[Sequence[Tier]],
        seed: int,
        kit: LearnerKit | None = None,
    ) -> None:
        count = len(tiers)
        one = replace(task.nominal(), noise=task.noise)
        self.env = TaskVectorEnv(one, count, seed=seed, all_signals=True)
        self.env.resets_itself = False
        self.models = [model] * count
        self.lives = [Life() for _ in range(count)]
        self._tiers, self._policies = tiers, [Policy(model) for _ in range(count)]
        self._actuators = task.robot.actuators
        engine, action_map = self.env.engine, self.env.action_map
        self._gain, self._bias = engine.field("actuator_gainprm"), engine.field("actuator_biasprm")
        self._own = self._gain.copy(), self._bias.copy()
        action_map.default = np.tile(action_map.default, (count, 1))
        action_map.scale = np.tile(action_map.scale, (count, 1))
        for row in range(count):
            self._drive(row, model)
        self._observations, _ = self.env.reset(seed=seed)
        self._step = 0
        self._first = np.ones(count, bool)  # whose step is the first of an episode
        self._kit = kit
        self._explore: list[Exploration] = []
        self._reward_of: OnboardReward | None = None
        if kit is not None:
            contract, clip = self._policies[0].contract, float(action_map.action_clip)
            described = describe(task, engine.substeps)
            self._reward_of = OnboardReward(kit.config.reward, contract, described)
            self._explore = [Exploration(kit.std, clip, seed + row) for row in range(count)]
        self._chunks: list[list[_Tick]] = [[] for _ in range(count)]
        self._reward = np.zeros(count)

    def run(self, seconds: float) -> None:
        """Lets all robots live on for so many simulated seconds."""
        period = self.env.config.control_period
        chunk = round(_CHUNK_SECONDS / period)
        for _ in range(round(seconds / period)):
            self._advance()
            if self._step % chunk == 0:
                self._learn()

    def _advance(self) -> None:
        env, count = self.env, self.env.num_envs
        signals = {name: values.copy() for name, values in env.signals.items()}
        actions = np.concatenate(
            [policy(self._observations[i : i + 1]) for i, policy in enumerate(self._policies)]
        )
        log_prob = np.full(count, np.nan)
        for row, explore in enumerate(self._explore if self._kit else ()):
            if self._tiers[row]:
                explore.share = float(self._is_calm(row))
                explore(actions[row : row + 1])
                log_prob[row] = explore.log_prob
        actions = env.action_map.clip(actions)
        targets = env.action_map.target(actions)
        observed = self._observations
        self._observations, reward, terminated, truncated, _ = env.step(actions)
        self._reward += reward
        self._step += 1
        after = {name: values.copy() for name, values in env.signals.items()}
        for row in range(count):
            flags = Flag.END * int(terminated[row]) | Flag.CUT * int(truncated[row])
            self.lives[row].falls += int(terminated[row])
            own = {name: values[row] for name, values in signals.items()}
            tick = _Tick(
                *(self._step, int(flags), observed[row], actions[row], float(log_prob[row])),
                *(targets[row], own, {name: values[row] for name, values in after.items()}),
                first=bool(self._first[row]),
            )
            self._chunks[row].append(tick)
        self._first = terminated | truncated
        if self._first.any():
            self._observations, _ = env.reset(options={"reset_mask": self._first})

    def _learn(self) -> None:
        for row, chunk in enumerate(self._chunks):
            self.lives[row].rewards.append(float(self._reward[row]))
            rows = _joined(chunk, self._reward_of)
            for tier in self._tiers[row]:
                proposal = tier.take(rows)
                if proposal is not None:
                    now = self._step * self.env.config.control_period
                    self.lives[row].proposals.append((now, proposal))
                    tier.judged(proposal, True, "it drives")
                    self._drive(row, proposal.model)
                    for every in self._tiers[row]:
                        every.driver(proposal.model)
            chunk.clear()
        self._reward[:] = 0

    def _is_calm(self, row: int) -> bool:
        """Returns whether a robot is upright enough to explore."""
        if ATTITUDE not in self.env.signals or self._kit is None:
            return True
        _, x, y, _ = self.env.signals[ATTITUDE][row].tolist()
        return bool(1 - 2 * (x * x + y * y) > np.cos(self._kit.config.largest_tilt))

    def _drive(self, row: int, model: bytes) -> None:
        """Lets a policy drive a robot from the next step on."""
        policy = Policy(model)
        self.models[row], self._policies[row] = model, policy
        self._gain[row], self._bias[row] = (own[row] for own in self._own)
        for k, (own, asked) in enumerate(zip(self._actuators, policy.contract.actuators)):
            stiffness = asked.stiffness / own.stiffness if own.stiffness else 1.0
            damping = asked.damping / own.damping if own.damping else 1.0
            scale_gains(self._gain[row], self._bias[row], k, stiffness, damping)
            self.env.action_map.default[row, k] = asked.default
            self.env.action_map.scale[row, k] = asked.action_scale
        self.env.signals[DEFAULT_TARGET][row] = self.env.action_map.default[row]


@dataclass(frozen=True)
class _Tick:
    number: int
    flags: int
    observation: Array
    action: Array
    log_prob: float
    target: Array
    signals: Signals  # before the action
    after: Signals  # when its step was over
    first: bool


def _joined(ticks: Sequence[_Tick], reward: OnboardReward | None) -> Rows:
    names = ticks[0].signals
    parts: Array = np.zeros((len(ticks), 0), np.float32)
    if reward is not None:
        sensed = {name: np.stack([t.after[name] for t in ticks]) for name in names}
        ended = np.array([bool(t.flags & Flag.END) for t in ticks])
        steps = Steps(sensed, np.array([t.first for t in ticks]), ended)
        parts = reward.parts(steps).astype(np.float32)
    return Rows(
        number=np.array([t.number for t in ticks], np.int64),
        flags=np.array([t.flags for t in ticks], np.uint8),
        observation=np.stack([t.observation for t in ticks]),
        action=np.stack([t.action for t in ticks]),
        log_prob=np.array([t.log_prob for t in ticks], np.float32),
        target=np.stack([t.target for t in ticks]),
        signals={name: np.stack([t.signals[name] for t in ticks]) for name in names},
        reward=parts,
    )
