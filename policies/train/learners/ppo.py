"""Trains by proximal policy optimization."""

from collections.abc import Mapping
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm

from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.signals import Array
from policies.train.actor_critic import AsymmetricActorCritic, AsymmetricFeatures
from policies.train.actor_network import gaussian_actor, set_gaussian_actor
from policies.train.learners.batch_ppo import BatchPPO
from policies.train.learners.learner import ACTIVATIONS, NUMBER_SIZE, Learner, network_memory
from policies.train.learners.symmetry import find_mirror
from sim.tasks.protocols import BatchEnv, BatchTask


class PPOLearner(Learner):
    """Trains by proximal policy optimization on large batches."""

    def check(self) -> None:
        # The advantages of a minibatch are scaled by their standard deviation.
        minibatch, rollout = self.config.ppo.minibatch, self.horizon * self.config.num_envs
        if 1 in (minibatch, rollout, rollout % minibatch):
            raise UserError(
                f"a rollout of {rollout} samples (--ppo.horizon times --num-envs) cannot be cut "
                f"into minibatches of {minibatch}, for one of them would hold a single sample"
            )

    def memory(self, observation: int = 1, action: int = 1) -> Mapping[str, int]:
        ppo, count = self.config.ppo, self.config.num_envs
        stored = NUMBER_SIZE * ppo.horizon * count * (observation + action + 6)
        return {
            f"--ppo.horizon {ppo.horizon} times --num-envs {count}": stored,
            **network_memory("--ppo.actor-layers", ppo.actor_layers, observation),
            **network_memory("--ppo.critic-layers", ppo.critic_layers, observation),
        }

    @property
    def gamma(self) -> float:
        return self.config.ppo.gamma

    @property
    def horizon(self) -> int:
        return self.config.ppo.horizon

    def policy(
        self, space: spaces.Box, actor_size: int, prior: Array | None
    ) -> tuple[Any, dict[str, Any]]:
        ppo = self.config.ppo
        return AsymmetricActorCritic, {
            "features_extractor_class": AsymmetricFeatures,
            "features_extractor_kwargs": {"actor_size": actor_size, "prior": prior},
            "net_arch": {"pi": list(ppo.actor_layers), "vf": list(ppo.critic_layers)},
            "activation_fn": ACTIVATIONS[ppo.activation],
            "log_std_init": ppo.initial_log_std,
            "optimizer_kwargs": {"eps": 1e-5, "fused": True},
        }

    def make(self, common: dict[str, Any]) -> BaseAlgorithm:
        ppo = self.config.ppo
        # SB3 warns of a last minibatch that is smaller, which `BatchPPO` splits off without harm.
        algorithm = BatchPPO(
            **common,
            learning_rate=ppo.learning_rate,
            n_steps=ppo.horizon,
            batch_size=ppo.horizon * self.config.num_envs,
            n_epochs=ppo.epochs,
            gamma=ppo.gamma,
            gae_lambda=ppo.gae_lambda,
            ent_coef=ppo.entropy,
            vf_coef=ppo.value,
            max_grad_norm=ppo.max_grad_norm,
        )
        algorithm.desired_kl, algorithm.clip_ratio = ppo.desired_kl, ppo.clip_range
        algorithm.symmetry, algorithm.batch_size = ppo.symmetry, ppo.minibatch
        return algorithm

    def actor_network(self, policy: Any, actor_size: int) -> ActorNetwork:
        return gaussian_actor(policy, actor_size)

    def prepare(self, algorithm: Any, task: BatchTask, env: BatchEnv) -> None:
        if self.config.begins_with_policy:
            rollout = self.horizon * self.config.num_envs
            algorithm.critic_steps = self.config.ppo.critic_first * rollout
        if not self.config.ppo.symmetry:
            return
        if not task.mirror_signs:
            raise UserError(
                f"--ppo.symmetry: the robot of {task.name} is not known to be symmetric; leave it 0"
            )
        algorithm.mirror = find_mirror(env.contract(), task.mirror_signs)

    def take_actor(self, algorithm: Any, network: ActorNetwork) -> None:
        set_gaussian_actor(algorithm.policy, network, self.horizon * self.config.num_envs)

    def exploration(self, algorithm: Any) -> dict[str, torch.Tensor]:
        return {"log_std": algorithm.policy.log_std.detach()}
