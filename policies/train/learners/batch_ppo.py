"""Runs Stable-Baselines3's PPO on large batches; its learning rate follows the KL divergence."""

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.utils import explained_variance
from torch.nn import functional

from policies.train.actor_critic import AsymmetricActorCritic
from policies.train.learners.symmetry import Mirror

LEARNING_RATE_RANGE = (5e-5, 3e-3)
LEARNING_RATE_FACTOR = 1.5


class BatchPPO(PPO):
    """Runs SB3's PPO with an update of its own.

    - The learning rate is divided by 1.5 when the updates from a rollout moved the policy by more
      than twice the desired KL divergence, multiplied by 1.5 when by less than half of it (after
      Rudin et al., "Learning to walk in minutes", 2021; once a rollout, because the divergence
      adds up over its minibatches); `desired_kl=None` keeps it fixed.
    - Minibatches are drawn from the rollout without copying it first.
    - With a `mirror`, half of each minibatch also asks that the policy do in the mirrored
      observation what it does here, mirrored (see `policies.train.learners.symmetry`).
    - In the first `critic_steps` control steps the critic learns alone: an actor that was trained
      before does not get worse by a critic that knows nothing yet.
    - The normalizer takes in the rollout afterwards, so that the rollout and the updates from it
      saw the same statistics.
    """

    policy: AsymmetricActorCritic  # pyright: ignore[reportIncompatibleVariableOverride]  # narrower
    desired_kl: float | None = None
    clip_ratio: float = 0.2
    mirror: Mirror | None = None
    symmetry: float = 0.0  # weight of its loss
    critic_steps: int = 0

    def train(self) -> None:
        """Updates policy and value function from the rollouts, in large minibatches."""
        self.policy.set_training_mode(True)
        optimizer = self.policy.optimizer
        buffer = self.rollout_buffer
        observations = torch.from_numpy(buffer.observations).flatten(0, 1)
        # They have no weights to learn and their statistics rest, so once is enough.
        features = self.policy.features_extractor(observations)
        mirrored = self._mirrored(observations)
        actions = torch.from_numpy(buffer.actions).flatten(0, 1)
        log_probs, advantages, returns = (
            torch.from_numpy(array).flatten()
            for array in (buffer.log_probs, buffer.advantages, buffer.returns)
        )
        critic_alone = self.num_timesteps <= self.critic_steps
        losses = []
        for _ in range(self.n_epochs):
            for rows in torch.randperm(len(features)).split(self.batch_size):
                losses.append(
                    self._update(
                        optimizer,
                        features[rows],
                        actions[rows],
                        log_probs[rows],
                        advantages[rows],
                        returns[rows],
                        None if mirrored is None else mirrored[rows],
                        critic_alone,
                    )
                )
        last_epoch = losses[-(len(losses) // self.n_epochs) :]
        if not critic_alone:
            self._adapt_learning_rate(optimizer, float(torch.stack(last_epoch)[:, 3].mean()))
        self._n_updates += self.n_epochs
        self.policy.normalizer.update(observations)
        self._log(torch.stack(losses).mean(dim=0), buffer.values, buffer.returns)

    def _update(
        self,
        optimizer: torch.optim.Optimizer,
        features: torch.Tensor,
        actions: torch.Tensor,
        old_log_prob: torch.Tensor,
        advantages: torch.Tensor,
        returns: torch.Tensor,
        mirrored: torch.Tensor | None,
        critic_alone: bool,
    ) -> torch.Tensor:
        """Takes one gradient step; returns policy loss, value loss, entropy, KL, clipped share, and
        how far left and right are apart."""
        values, log_prob, entropy = self.policy.evaluate_features(features, actions)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        log_ratio = log_prob - old_log_prob
        ratio = log_ratio.exp()
        clip = self.clip_ratio
        clipped = ratio.clamp(1 - clip, 1 + clip)
        policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
        value_loss = functional.mse_loss(values.flatten(), returns)
        mean_entropy = entropy.mean()
        asymmetry = self._asymmetry(features, mirrored)
        loss = policy_loss + self.vf_coef * value_loss - self.ent_coef * mean_entropy
        loss = loss + self.symmetry * asymmetry
        if critic_alone:
            loss = self.vf_coef * value_loss
        with torch.no_grad():
            kl = (ratio - 1 - log_ratio).mean()  # Schulman's low-variance estimate
            clipped_share = ((ratio - 1).abs() > clip).float().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
        optimizer.step()
        terms = (policy_loss, value_loss, mean_entropy, kl, clipped_share, asymmetry)
        return torch.stack([term.detach() for term in terms])

    def _mirrored(self, observations: torch.Tensor) -> torch.Tensor | None:
        """Returns the features of the mirrored observations, of which the actor's part counts."""
        if self.mirror is None:
            return None
        mirrored, actor = observations.clone(), len(self.mirror.observation.source)
        mirrored[:, :actor] = self.mirror.observation(observations[:, :actor])
        return self.policy.features_extractor(mirrored)

    def _asymmetry(self, features: torch.Tensor, mirrored: torch.Tensor | None) -> torch.Tensor:
        """Returns the mean squared difference of what the policy does and what it does in the
        mirror."""
        if self.mirror is None or mirrored is None:
            return torch.zeros(())
        half = len(features) // 2
        here, there = (self.policy.mean_action(of[:half]) for of in (features, mirrored))
        return functional.mse_loss(self.mirror.action(there), here)

    def _adapt_learning_rate(self, optimizer: torch.optim.Optimizer, kl: float) -> None:
        if self.desired_kl is None:
            return
        rate = optimizer.param_groups[0]["lr"]
        if kl > 2 * self.desired_kl:
            rate /= LEARNING_RATE_FACTOR
        elif kl < self.desired_kl / 2:
            rate *= LEARNING_RATE_FACTOR
        rate = float(np.clip(rate, *LEARNING_RATE_RANGE))
        for group in optimizer.param_groups:
            group["lr"] = rate

    def _log(self, means: torch.Tensor, values: np.ndarray, returns: np.ndarray) -> None:
        names = ("policy_loss", "value_loss", "entropy", "kl", "clipped_share", "asymmetry")
        for name, mean in zip(names, means.tolist(), strict=True):
            self.logger.record(f"train/{name}", mean)
        explained = explained_variance(values.flatten(), returns.flatten())
        self.logger.record("train/explained_variance", explained)
        self.logger.record("train/std", float(self.policy.log_std.detach().exp().mean()))
        self.logger.record("train/learning_rate", self.policy.optimizer.param_groups[0]["lr"])
