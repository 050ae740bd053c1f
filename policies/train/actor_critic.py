"""Defines the networks: actors that see what the robot's sensors give, critics that see more.

Stable-Baselines3 gets one flat observation, [actor's part (n), privileged part (p)]. The actors
here read the first n columns alone; the critics read all.
"""

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from sb3_contrib.tqc.policies import Actor as TQCActor
from sb3_contrib.tqc.policies import TQCPolicy
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, create_mlp
from stable_baselines3.sac.policies import Actor as SACActor
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from edge_runtime.policy.contract import Contract
from edge_runtime.signals import Array
from policies.train.normalizer import RunningNormalizer

PRIOR_TERM = "gait_clock"  # the observation term that an action prior acts on


class AsymmetricFeatures(BaseFeaturesExtractor):
    """Returns the normalized observation, (N, n + p), and behind it the action prior, (N, A), if
    any.

    The action prior is a fixed linear map W (A, n) of the raw actor observation that is added to
    the mean action: a gait to start from, say, as amplitudes on the sine and cosine of a clock.
    """

    prior: torch.Tensor | None

    def __init__(
        self, observation_space: spaces.Box, actor_size: int, prior: Array | None = None
    ) -> None:
        prior_size = 0 if prior is None else prior.shape[0]
        super().__init__(observation_space, observation_space.shape[0] + prior_size)
        self.actor_size = actor_size
        self.prior_size = prior_size
        self.normalizer = RunningNormalizer(observation_space.shape[0])
        self.register_buffer("prior", None if prior is None else torch.from_numpy(prior.copy()))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        normalized = self.normalizer(observations)
        if self.prior is None:
            return normalized
        prior = observations[:, : self.actor_size] @ self.prior.T
        return torch.cat([normalized, prior], dim=1)


class AsymmetricMlp(nn.Module):
    """Holds two networks, of which the policy's reads the actor's columns only."""

    def __init__(
        self,
        features: AsymmetricFeatures,
        actor_layers: list[int],
        critic_layers: list[int],
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        self.actor_size = features.actor_size
        self.observation_size = features.features_dim - features.prior_size
        self.policy_net = nn.Sequential(*create_mlp(self.actor_size, -1, actor_layers, activation))
        self.value_net = nn.Sequential(
            *create_mlp(self.observation_size, -1, critic_layers, activation)
        )
        self.latent_dim_pi = actor_layers[-1]
        self.latent_dim_vf = critic_layers[-1]

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """Returns hidden units, (N, h), and behind them the action prior, if there is one."""
        hidden = self.policy_net(features[:, : self.actor_size])
        if features.shape[1] == self.observation_size:
            return hidden
        return torch.cat([hidden, features[:, self.observation_size :]], dim=1)

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the value of each state, (N, 1), from all columns."""
        return self.value_net(features[:, : self.observation_size])


class AsymmetricActorCritic(ActorCriticPolicy):
    """Implements PPO's policy: a Gaussian around network + prior, and a value."""

    features_extractor: AsymmetricFeatures
    mlp_extractor: AsymmetricMlp  # type: ignore[assignment]  # SB3 builds it by _build_mlp_extractor

    @property
    def normalizer(self) -> RunningNormalizer:
        """Returns the normalizer of the observations."""
        return self.features_extractor.normalizer

    def evaluate_features(
        self, features: torch.Tensor, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Computes `evaluate_actions` from what `features_extractor` made of the observations.

        Returns:
            Values (N, 1), log probabilities of the actions (N,), entropies (N,).
        """
        latent_pi, latent_vf = self.mlp_extractor(features)
        distribution = self._get_action_dist_from_latent(latent_pi)
        entropy = distribution.entropy()
        assert entropy is not None
        return self.value_net(latent_vf), distribution.log_prob(actions), entropy

    def mean_action(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the mean of the action's distribution, (N, A), from the features."""
        return self._mean_action(self.mlp_extractor.forward_actor(features))

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.net_arch, dict)
        self.mlp_extractor = AsymmetricMlp(
            self.features_extractor, self.net_arch["pi"], self.net_arch["vf"], self.activation_fn
        )

    def _get_action_dist_from_latent(self, latent_pi: torch.Tensor) -> Distribution:
        return self.action_dist.proba_distribution(self._mean_action(latent_pi), self.log_std)

    def _mean_action(self, latent_pi: torch.Tensor) -> torch.Tensor:
        width = self.mlp_extractor.latent_dim_pi
        mean: torch.Tensor = self.action_net(latent_pi[:, :width])
        return mean + latent_pi[:, width:] if latent_pi.shape[1] > width else mean


class SharedFeatures(BaseFeaturesExtractor):
    """Returns the normalized observation: the actor's columns, or all of them for critics.

    Actor and critics share one normalizer.
    """

    def __init__(
        self,
        observation_space: spaces.Box,
        normalizer: RunningNormalizer,
        actor_size: int,
        *,
        for_actor: bool = False,
    ) -> None:
        self.columns = actor_size if for_actor else observation_space.shape[0]
        super().__init__(observation_space, self.columns)
        self.normalizer = normalizer

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.normalizer(observations)[:, : self.columns]


class AsymmetricSACPolicy(SACPolicy):
    """Extends SAC's policy: the actor reads its own columns, the critics read all."""

    @property
    def normalizer(self) -> RunningNormalizer:
        """Returns the normalizer of the observations."""
        return _normalizer(self)

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> SACActor:
        """Makes an actor on its own columns of the observation."""
        return super().make_actor(features_extractor or _actor_features(self))


class AsymmetricTQCPolicy(TQCPolicy):
    """Extends TQC's policy: the actor reads its own columns, the critics read all."""

    @property
    def normalizer(self) -> RunningNormalizer:
        """Returns the normalizer of the observations."""
        return _normalizer(self)

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> TQCActor:
        """Makes an actor on its own columns of the observation."""
        return super().make_actor(features_extractor or _actor_features(self))


def _normalizer(policy: SACPolicy | TQCPolicy) -> RunningNormalizer:
    normalizer: RunningNormalizer = policy.features_extractor_kwargs["normalizer"]
    return normalizer


def _actor_features(policy: SACPolicy | TQCPolicy) -> SharedFeatures:
    space = policy.observation_space
    assert isinstance(space, spaces.Box)
    return SharedFeatures(space, **policy.features_extractor_kwargs, for_actor=True)


def prior_matrix(contract: Contract, amplitudes: npt.NDArray[np.float64] | None) -> Array | None:
    """Returns the action prior over the whole actor observation, (A, n).

    Args:
        contract: the task's contract, which says where the term `gait_clock` stands.
        amplitudes: linear map (A, 2) from that term to the action; None for no prior.
    """
    if amplitudes is None:
        return None
    sizes = contract.term_sizes
    position = [term.name for term in contract.observations].index(PRIOR_TERM)
    start = sum(sizes[:position])
    matrix = np.zeros((len(contract.actuators), sum(sizes)), np.float32)
    matrix[:, start : start + sizes[position]] = amplitudes
    return matrix
