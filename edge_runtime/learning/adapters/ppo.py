"""Learns an adapter by proximal policy optimization (Schulman et al., 2017) on one robot's rows."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Flag, Rows
from edge_runtime.learning.adapters.actor_network import read_network
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.advantages import advantages
from edge_runtime.learning.adapters.critic import Critic
from edge_runtime.learning.adapters.gradient_steps import minibatches, take_step
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array, Bool, Float


class AdapterPPO:
    """Updates an adapter and its critic from rollouts; the same rows and seed give the same bits.

    Rows without a log-probability (NaN) were not explored, and corrected ones were not the
    policy's: the critic alone learns from those.

    Args:
        actor: the adapted actor, which is changed.
        critic: the critic, which is changed.
        weights: what each part of a row's reward counts, (r,).
        std: the exploration's standard deviation of each action, (A,).
        config: how to learn.
        seed: draws the minibatches.
    """

    def __init__(
        self,
        actor: AdaptedActor,
        critic: Critic,
        weights: Float,
        std: Array,
        config: PPOConfig,
        seed: int = 0,
    ) -> None:
        self.actor, self.critic, self.config = actor, critic, config
        self.weights = np.asarray(weights, np.float64)
        self.std = torch.from_numpy(np.asarray(std, np.float32))
        self.steps = 0
        """Rows learned from so far."""
        self._generator = torch.Generator().manual_seed(seed)
        self._actor_optimizer = torch.optim.Adam(actor.parameters(), config.learning_rate)
        self._critic_optimizer = torch.optim.Adam(critic.parameters(), config.critic_learning_rate)

    def update(self, rows: Rows) -> dict[str, float]:
        """Learns from one rollout, its rows in order.

        Returns:
            `reward`, the mean of a row; `kl`, by how much the policy changed; `drift`, its
            divergence from the start; `explained`, the share of the returns' variance that the
            critic foresaw; and `passes`, how often the actor learned from the rows.

        Raises:
            UserError: the rows have other rewards than the learner, or none can be learned from.
        """
        if rows["reward"].shape[1] != len(self.weights):
            raise UserError(
                f"rows have {rows['reward'].shape[1]} parts of a reward, the kit weighs "
                f"{len(self.weights)}; record anew with this kit"
            )
        reward = rows["reward"].astype(np.float64) @ self.weights
        batch = self._batch(rows, reward)
        learns_actor = self.steps >= self.config.critic_steps
        passes, kl = 0, 0.0
        for _ in range(self.config.epochs):
            self._learn_values(batch)
            if learns_actor and kl <= self.config.largest_kl:
                kl = self._learn_actions(batch)
                passes += 1
        self.steps += len(rows)
        observations = batch["observation"]
        with torch.no_grad():
            drift = self.actor.drift(observations, self.actor(observations), self.std)
        return {
            "reward": float(reward.mean()),
            "kl": kl,
            "drift": float(drift.mean()) if len(drift) else 0.0,
            "explained": float(batch["explained"]),
            "passes": passes,
        }

    def _batch(self, rows: Rows, reward: Float) -> dict[str, torch.Tensor]:
        """Returns what the losses read, of the rows whose advantage is known."""
        observations = torch.from_numpy(rows["observation"].copy())
        features = self.actor.features(observations)
        values = self.critic.values(features)
        config = self.config
        found, known = advantages(rows, reward, values, config.gamma, config.decay)
        explored = np.isfinite(rows["log_prob"])
        own: Bool = explored & (rows["flags"] & Flag.CORRECTED == 0) & known
        if not known.any():
            raise UserError("none of the rows has a successor, so nothing can be learned from them")
        returns = values + found
        spread = max(float(np.std(found[own])), 1e-8) if own.any() else 1.0
        scaled = (found - (found[own].mean() if own.any() else 0.0)) / spread
        return {
            "observation": observations[torch.from_numpy(own)],
            "action": torch.from_numpy(rows["action"][own]),
            "log_prob": torch.from_numpy(rows["log_prob"][own]),
            "advantage": torch.from_numpy(scaled[own].astype(np.float32)),
            "features": features[torch.from_numpy(known)],
            "returns": self.critic.scaled(returns[known].astype(np.float32)),
            "explained": torch.tensor(_explained(values[known], returns[known])),
        }

    def _learn_values(self, batch: dict[str, torch.Tensor]) -> None:
        for chosen in self._minibatches(len(batch["features"])):
            predicted = self.critic(batch["features"][chosen])
            loss = torch.nn.functional.mse_loss(predicted, batch["returns"][chosen])
            self._step(self._critic_optimizer, loss)

    def _learn_actions(self, batch: dict[str, torch.Tensor]) -> float:
        """Makes a pass over the actions; returns by how much the policy changed by then."""
        divergences = [torch.zeros(())]
        for chosen in self._minibatches(len(batch["observation"])):
            observations = batch["observation"][chosen]
            mean = self.actor(observations)
            log_ratio = self.log_prob(mean, batch["action"][chosen]) - batch["log_prob"][chosen]
            ratio, gain = log_ratio.exp(), batch["advantage"][chosen]
            clipped = ratio.clamp(1 - self.config.clip, 1 + self.config.clip)
            loss = -torch.min(gain * ratio, gain * clipped).mean()
            if self.config.leash:
                drift = self.actor.drift(observations, mean, self.std)
                loss = loss + self.config.leash * drift.mean()
            divergences.append((ratio - 1 - log_ratio).mean().detach())
            self._step(self._actor_optimizer, loss)
        return float(torch.stack(divergences[1:]).mean()) if len(divergences) > 1 else 0.0

    def _minibatches(self, count: int) -> tuple[torch.Tensor, ...]:
        return minibatches(count, self.config.minibatch, self._generator)

    def _step(self, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        take_step(optimizer, loss, self.config.max_grad_norm)

    def log_prob(self, mean: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Returns log-probabilities, (N,), of actions (N, A) that were sampled about a mean."""
        distance = ((action - mean) / self.std).square().sum(dim=1)
        size = self.std.log().sum() + 0.5 * len(self.std) * math.log(2 * math.pi)
        return -0.5 * distance - size

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that a bit-equal continuation needs, for `torch.save`."""
        return {
            "actor": self.actor.state_dict(),
            "critic": self.critic.state_dict(),
            "actor_optimizer": self._actor_optimizer.state_dict(),
            "critic_optimizer": self._critic_optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict` of a learner of the same policy and rank."""
        self.actor.load_state_dict(state["actor"])
        self.critic.load_state_dict(state["critic"])
        self._actor_optimizer.load_state_dict(state["actor_optimizer"])
        self._critic_optimizer.load_state_dict(state["critic_optimizer"])
        self._generator.set_state(state["generator"])
        self.steps = state["steps"]


def learner_from_kit(kit: LearnerKit, model: bytes, source: str, seed: int = 0) -> AdapterPPO:
    """Returns a learner as a policy's kit sets it, with an adapter that does nothing yet.

    Args:
        kit: the learner kit.
        model: the content of the policy's file.
        source: what messages call it.
        seed: draws adapter and minibatches.

    Raises:
        ContractError: the file is no policy that 'sim2edge train' exported.
    """
    network = read_network(model, source)
    period = Policy(model, source).contract.control_period
    actor = AdaptedActor(network, kit.config.rank, torch.Generator().manual_seed(seed))
    weights = np.array([*kit.config.reward.weights.values()]) * period
    return AdapterPPO(actor, Critic(kit.critic), weights, kit.std, kit.config.ppo, seed)


def _explained(values: Any, returns: Any) -> float:
    variance = float(np.var(returns))
    return 1.0 - float(np.var(returns - values)) / variance if variance > 0 else 0.0
