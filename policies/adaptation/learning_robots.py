"""Lets N simulated robots learn side by side, each from its own experience with its own policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge_runtime.experience.layout import Flag
from edge_runtime.learning.tier import Proposal, Rows, Tier
from edge_runtime.policy.contract import POSITION
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import DEFAULT_TARGET, Array, Signals
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.task import TaskConfig

_CHUNK_SECONDS = 1.0  # of experience that a tier takes at once
Explore = Callable[[int, Array], tuple[Array, float]]  # robot, action -> sampled, log-probability


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
    """

    def __init__(
        self, task: TaskConfig, model: bytes, tiers: Sequence[Sequence[Tier]], seed: int
    ) -> None:
        count = len(tiers)
        one = replace(task.nominal(), noise=task.noise)
        self.env = TaskVectorEnv(one, count, seed=seed, threads=1, all_signals=True)
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
        self._chunks: list[list[_Tick]] = [[] for _ in range(count)]
        self._reward = np.zeros(count)

    def run(self, seconds: float, explore: Explore | None = None) -> None:
        """Lets all robots live on for that long.

        Args:
            seconds: how long, in simulated time.
            explore: adds noise to a robot's actions, if its tiers need it.
        """
        period = self.env.config.control_period
        chunk = round(_CHUNK_SECONDS / period)
        for _ in range(round(seconds / period)):
            self._advance(explore)
            if self._step % chunk == 0:
                self._learn()

    def _advance(self, explore: Explore | None) -> None:
        env, count = self.env, self.env.num_envs
        signals = {name: values.copy() for name, values in env.signals.items()}
        actions = np.concatenate(
            [policy(self._observations[i : i + 1]) for i, policy in enumerate(self._policies)]
        )
        log_prob = np.zeros(count)
        if explore is not None:
            for row in range(count):
                actions[row], log_prob[row] = explore(row, actions[row])
        actions = env.action_map.clip(actions)
        targets = env.action_map.target(actions)
        observed = self._observations
        self._observations, reward, terminated, truncated, _ = env.step(actions)
        self._reward += reward
        self._step += 1
        for row in range(count):
            flags = Flag.END * int(terminated[row]) | Flag.CUT * int(truncated[row])
            self.lives[row].falls += int(terminated[row])
            own = {name: values[row] for name, values in signals.items()}
            tick = _Tick(
                *(self._step, int(flags), observed[row], actions[row], float(log_prob[row])),
                *(targets[row], own),
            )
            self._chunks[row].append(tick)

    def _learn(self) -> None:
        for row, chunk in enumerate(self._chunks):
            self.lives[row].rewards.append(float(self._reward[row]))
            rows = _joined(chunk)
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

    def _drive(self, row: int, model: bytes) -> None:
        """Lets a policy drive a robot from the next step on."""
        policy = Policy(model)
        self.models[row], self._policies[row] = model, policy
        gain, bias = self._own
        for k, (own, asked) in enumerate(zip(self._actuators, policy.contract.actuators)):
            stiffness = asked.stiffness / own.stiffness if own.stiffness else 1.0
            damping = asked.damping / own.damping if own.damping else 1.0
            of_target = stiffness if own.mode == POSITION else damping
            self._gain[row, k, 0] = gain[row, k, 0] * of_target
            self._bias[row, k, 1] = bias[row, k, 1] * stiffness
            self._bias[row, k, 2] = bias[row, k, 2] * damping
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
    signals: Signals


def _joined(ticks: Sequence[_Tick]) -> Rows:
    names = ticks[0].signals
    return Rows(
        number=np.array([t.number for t in ticks], np.int64),
        flags=np.array([t.flags for t in ticks], np.uint8),
        observation=np.stack([t.observation for t in ticks]),
        action=np.stack([t.action for t in ticks]),
        log_prob=np.array([t.log_prob for t in ticks], np.float32),
        target=np.stack([t.target for t in ticks]),
        signals={name: np.stack([t.signals[name] for t in ticks]) for name in names},
    )
