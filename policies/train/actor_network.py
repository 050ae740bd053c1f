"""Takes the part of a trained policy that runs on a robot, as plain arrays."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from edge_runtime.signals import Array
from policies.train.actor_critic import (
    AsymmetricActorCritic,
    AsymmetricSACPolicy,
    AsymmetricTQCPolicy,
)
from policies.train.normalizer import CLIP, RunningNormalizer

OPERATORS: dict[type[nn.Module], str] = {nn.ELU: "Elu", nn.Tanh: "Tanh", nn.ReLU: "Relu"}


@dataclass(frozen=True)
class ActorNetwork:
    """Holds what an actor computes, as plain arrays.

    normalized = clip((obs - offset) * inverse_std, ±clip); layers with the activation between
    them; plus prior @ obs; squashed to ±limit by tanh, if there is a limit.
    """

    offset: Array  # (n,)
    inverse_std: Array  # (n,)
    layers: tuple[tuple[Array, Array], ...]  # weight (out, in), bias (out,)
    activation: str  # ONNX operator
    prior: Array | None = None  # (A, n)
    limit: Array | None = None  # (A,)
    clip: float = CLIP  # infinite for an actor without a normalizer, whose offset is 0 and std 1


def gaussian_actor(policy: AsymmetricActorCritic, actor_size: int) -> ActorNetwork:
    """Returns the mean action of PPO's policy, from an observation of `actor_size` entries."""
    prior = policy.features_extractor.prior
    return _network(
        policy.normalizer,
        actor_size,
        (*policy.mlp_extractor.policy_net, policy.action_net),
        prior=None if prior is None else _array(prior),
    )


def squashed_actor(
    policy: AsymmetricSACPolicy | AsymmetricTQCPolicy, actor_size: int
) -> ActorNetwork:
    """Returns the mean action of SAC's or TQC's policy, from `actor_size` entries."""
    return _network(
        policy.normalizer,
        actor_size,
        (*policy.actor.latent_pi, policy.actor.mu),
        limit=np.asarray(policy.action_space.high, np.float32),  # type: ignore[attr-defined]
    )


def _network(
    normalizer: RunningNormalizer,
    actor_size: int,
    modules: Iterable[nn.Module],
    prior: Array | None = None,
    limit: Array | None = None,
) -> ActorNetwork:
    modules = tuple(modules)
    linear = [layer for layer in modules if isinstance(layer, nn.Linear)]
    return ActorNetwork(
        offset=_array(normalizer.offset[:actor_size]),
        inverse_std=_array(normalizer.inverse_std[:actor_size]),
        layers=tuple((_array(layer.weight), _array(layer.bias)) for layer in linear),
        activation=next(OPERATORS[type(m)] for m in modules if type(m) in OPERATORS),
        prior=prior,
        limit=limit,
    )


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().numpy().copy()
    return array
