"""From a training config to Stable-Baselines3's algorithm, or to its policy alone."""

from typing import Any

from gymnasium import spaces
from sb3_contrib import TQC
from stable_baselines3 import SAC
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from edge_runtime.signals import Array
from policies.train.actor_critic import (
    AsymmetricActorCritic,
    AsymmetricFeatures,
    AsymmetricSACPolicy,
    AsymmetricTQCPolicy,
    Policy,
    SharedFeatures,
)
from policies.train.config import PPOConfig, SACConfig, TrainConfig
from policies.train.normalizer import RunningNormalizer
from policies.train.ppo import BatchPPO
from policies.train.sb3_env import BatchVecEnv

Algorithm = BatchPPO | SAC | TQC
ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "tanh": nn.Tanh, "relu": nn.ReLU}


def make_algorithm(
    config: TrainConfig, env: BatchVecEnv, prior: Array | None
) -> tuple[Algorithm, VecNormalize]:
    """The algorithm, and the environment it acts on, with scaled rewards.

    Unscaled returns of several hundred would drown the policy's gradient in the value's under
    one gradient-norm clip.
    """
    policy_class, policy_kwargs = _policy(config, env.observation_space, env.actor_size, prior)
    gamma = config.ppo.gamma if config.algorithm == "ppo" else config.sac.gamma
    scaled = VecNormalize(env, norm_obs=False, norm_reward=True, gamma=gamma)
    common: dict[str, Any] = {
        "policy": policy_class,
        "env": scaled,
        "policy_kwargs": policy_kwargs,
        "seed": config.seed,
        "device": "cpu",
    }
    if config.algorithm == "ppo":
        return _make_ppo(config.ppo, common), scaled
    return _make_off_policy(SAC if config.algorithm == "sac" else TQC, config.sac, common), scaled


def make_policy(
    config: TrainConfig,
    observation_space: spaces.Box,
    action_space: spaces.Box,
    actor_size: int,
    prior: Array | None,
) -> Policy:
    """An untrained policy of the shape that the config asks for."""
    policy_class, kwargs = _policy(config, observation_space, actor_size, prior)
    policy: Policy = policy_class(observation_space, action_space, FloatSchedule(1e-3), **kwargs)
    return policy


def action_limit(config: TrainConfig) -> float | None:
    """Bound of the action that the algorithm may use; None: the robot's own clip."""
    return None if config.algorithm == "ppo" else config.sac.action_limit


def _policy(
    config: TrainConfig, space: spaces.Box, actor_size: int, prior: Array | None
) -> tuple[Any, dict[str, Any]]:
    """SB3's policy class and its arguments."""
    if config.algorithm == "ppo":
        ppo = config.ppo
        return AsymmetricActorCritic, {
            "features_extractor_class": AsymmetricFeatures,
            "features_extractor_kwargs": {"actor_size": actor_size, "prior": prior},
            "net_arch": {"pi": list(ppo.actor_layers), "vf": list(ppo.critic_layers)},
            "activation_fn": ACTIVATIONS[ppo.activation],
            "log_std_init": ppo.initial_log_std,
            "optimizer_kwargs": {"eps": 1e-5, "fused": True},
        }
    sac = config.sac
    kwargs = {
        "features_extractor_class": SharedFeatures,
        "features_extractor_kwargs": {
            "normalizer": RunningNormalizer(space.shape[0]),
            "actor_size": actor_size,
        },
        "net_arch": {"pi": list(sac.actor_layers), "qf": list(sac.critic_layers)},
        "optimizer_kwargs": {"fused": True},
    }
    return AsymmetricSACPolicy if config.algorithm == "sac" else AsymmetricTQCPolicy, kwargs


def _make_ppo(ppo: PPOConfig, common: dict[str, Any]) -> BatchPPO:
    algorithm = BatchPPO(
        **common,
        learning_rate=ppo.learning_rate,
        n_steps=ppo.horizon,
        batch_size=ppo.minibatch,
        n_epochs=ppo.epochs,
        gamma=ppo.gamma,
        gae_lambda=ppo.gae_lambda,
        ent_coef=ppo.entropy,
        vf_coef=ppo.value,
        max_grad_norm=ppo.max_grad_norm,
    )
    algorithm.desired_kl, algorithm.clip_ratio = ppo.desired_kl, ppo.clip_range
    algorithm.symmetry = ppo.symmetry
    return algorithm


def _make_off_policy(
    kind: type[SAC] | type[TQC], sac: SACConfig, common: dict[str, Any]
) -> SAC | TQC:
    return kind(
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
