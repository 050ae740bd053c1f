"""Rehearses in simulation what a robot has identified of itself: adapts its policy to that."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from edge_runtime.config.fields import setting
from edge_runtime.experience.layout import Flag, Layout, Rows
from edge_runtime.learning.adapters.actor_network import read_network
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.critic import Critic
from edge_runtime.learning.adapters.ppo import AdapterPPO
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array
from policies.evaluation.policy_file import PolicyFile
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.wear import Wear


@dataclass(frozen=True)
class RehearsalConfig:
    """Sets how much is rehearsed."""

    robots: int = setting(64, "Simulated robots, side by side.", at_least=1)
    steps: int = setting(1_000_000, "Control steps of all of them together.", at_least=1)
    rollout: int = setting(64, "Control steps of each between two updates.", at_least=8)
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(minibatch=1024, epochs=4))


class Rehearsal:
    """Adapts a policy to a worn robot in simulation, with the reward of its training.

    Args:
        policy: the policy, trimmed to that robot or not.
        kit: the learner kit of the untrimmed policy.
        wear: what the robot has identified of itself.
        config: how much to rehearse.
        seed: the seed of everything random.
    """

    def __init__(
        self,
        policy: PolicyFile,
        kit: LearnerKit,
        wear: Wear,
        config: RehearsalConfig = RehearsalConfig(),
        seed: int = 0,
    ) -> None:
        self._config, self._std = config, kit.std
        task = replace(policy.task, wear=wear)
        self._env = TaskVectorEnv(task, config.robots, seed=seed, stagger=True)
        policy.drive(self._env)
        network = read_network(policy.model, policy.source)
        generator = torch.Generator().manual_seed(seed)
        self.actor = AdaptedActor(network, kit.config.rank, generator)
        self._learner = AdapterPPO(
            self.actor,
            Critic(kit.critic),
            np.ones(1),
            kit.std.astype(float),
            config.ppo,
            seed,
        )
        self._rng = np.random.default_rng(seed)
        contract = policy.contract
        sizes = contract.observation_size, len(contract.actuators)
        sha256 = Policy(policy.model).sha256
        self._layout = Layout(sha256, contract.robot, *sizes, ("training",))
        self._observations, _ = self._env.reset(seed=seed)
        self.steps = 0

    def run(self, progress: Callable[[float], object] = lambda share: None) -> None:
        """Rehearses as much as is set.

        Args:
            progress: called with the share that is done.
        """
        while self.steps < self._config.steps:
            self._learner.update(self._rollout())
            self.steps += self._config.robots * self._config.rollout
            progress(min(1.0, self.steps / self._config.steps))
        self._env.close()

    @property
    def matrices(self) -> dict[str, npt.NDArray[np.float32]]:
        """Returns the adapter's matrices, by name."""
        state = self.actor.state_dict()
        return {name: value.detach().numpy().copy() for name, value in state.items()}

    def _rollout(self) -> Rows:
        """Returns the rows of all robots, one robot after the other."""
        config, env = self._config, self._env
        rows = np.zeros((config.rollout, config.robots), self._layout.dtype)
        for step in range(config.rollout):
            row = rows[step]
            row["number"] = self.steps + step
            row["observation"] = self._observations
            row["action"], row["log_prob"] = self._explore(self.actor.actions(self._observations))
            self._observations, reward, terminated, truncated, _ = env.step(row["action"])
            row["reward"][:, 0] = reward
            row["flags"] = Flag.END * terminated | Flag.CUT * truncated
        rows[-1]["flags"] |= int(Flag.CUT)
        return np.ascontiguousarray(rows.T).reshape(-1)

    def _explore(self, mean: Array) -> tuple[Array, Array]:
        noise = self._rng.standard_normal(mean.shape).astype(np.float32)
        size = np.log(self._std).sum() + 0.5 * len(self._std) * np.log(2 * np.pi)
        log_prob: Array = (-0.5 * (noise**2).sum(axis=1) - size).astype(np.float32)
        action: Array = (mean + noise * self._std).astype(np.float32)
        return action, log_prob
