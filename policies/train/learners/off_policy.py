"""Trains off policy, from a replay buffer: by soft actor-critic and truncated quantile critics."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import TQC
from stable_baselines3 import SAC
from stable_baselines3.common.base_class import BaseAlgorithm

from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.signals import Array
from policies.train.actor_critic import (
    AsymmetricSACPolicy,
    AsymmetricTQCPolicy,
    SharedFeatures,
)
from policies.train.actor_network import squashed_actor
from policies.train.learners.learner import NUMBER_SIZE, Learner, network_memory
from policies.train.normalizer import RunningNormalizer

OFF_POLICY_HORIZON = 32  # control steps between two looks at the clock and the display
REPLAY = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class SACLearner(Learner):
    """Trains by soft actor-critic."""

    kind: ClassVar[type[SAC] | type[TQC]] = SAC
    policy_class: ClassVar[Any] = AsymmetricSACPolicy

    def check(self) -> None:
        config = self.config
        if config.sac.buffer_size < config.num_envs:
            raise UserError(
                f"--sac.buffer-size is {config.sac.buffer_size}; it must hold a transition of each "
                f"of the {config.num_envs} simulations"
            )

    def memory(self, observation: int = 1, action: int = 1) -> Mapping[str, int]:
        sac, transition = self.config.sac, NUMBER_SIZE * (2 * observation + action + 3)
        return {
            f"--sac.buffer-size {sac.buffer_size}": sac.buffer_size * transition,
            f"--sac.batch {sac.batch}": sac.batch * transition,
            **network_memory("--sac.actor-layers", sac.actor_layers, observation),
            **network_memory("--sac.critic-layers", sac.critic_layers, observation),
        }

    @property
    def gamma(self) -> float:
        return self.config.sac.gamma

    @property
    def horizon(self) -> int:
        return OFF_POLICY_HORIZON

    @property
    def action_limit(self) -> float | None:
        return self.config.sac.action_limit

    def policy(
        self, space: spaces.Box, actor_size: int, prior: Array | None
    ) -> tuple[Any, dict[str, Any]]:
        sac = self.config.sac
        return self.policy_class, {
            "features_extractor_class": SharedFeatures,
            "features_extractor_kwargs": {
                "normalizer": RunningNormalizer(space.shape[0]),
                "actor_size": actor_size,
            },
            "net_arch": {"pi": list(sac.actor_layers), "qf": list(sac.critic_layers)},
            "optimizer_kwargs": {"fused": True},
        }

    def make(self, common: dict[str, Any]) -> BaseAlgorithm:
        sac = self.config.sac
        return self.kind(
            **common,
            learning_rate=sac.learning_rate,
            buffer_size=sac.buffer_size,
            learning_starts=sac.learning_starts,
            batch_size=sac.batch,
            tau=sac.tau,
            gamma=sac.gamma,
            ent_coef=f"auto_{sac.initial_entropy}",
            train_freq=1,
            gradient_steps=sac.gradient_steps,
        )

    def actor_network(self, policy: Any, actor_size: int) -> ActorNetwork:
        return squashed_actor(policy, actor_size)

    def after_iteration(self, algorithm: Any) -> None:
        algorithm.policy.normalizer.update(torch.from_numpy(algorithm._last_obs))

    def capture(self, algorithm: Any) -> dict[str, Any]:
        buffer = algorithm.replay_buffer
        filled = buffer.buffer_size if buffer.full else buffer.pos
        arrays = {name: getattr(buffer, name)[:filled] for name in REPLAY}
        return {"replay": {"position": buffer.pos, "full": buffer.full, "arrays": arrays}}

    def keep(self, algorithm: Any) -> dict[str, Any]:
        """Keeps of the replay buffer only the rows that the iteration will write over."""
        buffer = algorithm.replay_buffer
        count = min(self.horizon, buffer.buffer_size)
        rows = (buffer.pos + np.arange(count)) % buffer.buffer_size
        arrays = {name: getattr(buffer, name)[rows] for name in REPLAY}
        replay = {"position": buffer.pos, "full": buffer.full, "arrays": arrays, "rows": rows}
        return {"replay": replay}

    def restore(self, algorithm: Any, state: dict[str, Any]) -> None:
        buffer, replay = algorithm.replay_buffer, state["replay"]
        buffer.pos, buffer.full = replay["position"], replay["full"]
        for name, array in replay["arrays"].items():
            getattr(buffer, name)[replay.get("rows", slice(len(array)))] = array


class TQCLearner(SACLearner):
    """Trains by truncated quantile critics."""

    kind = TQC
    policy_class = AsymmetricTQCPolicy
