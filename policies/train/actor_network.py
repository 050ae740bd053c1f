"""Takes the part of a trained policy that runs on a robot, as plain arrays."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge_runtime.learning.adapters.actor_network import ActorNetwork, read_network
from edge_runtime.policy.inference import read_model
from edge_runtime.signals import Array
from policies.train.actor_critic import (
    AsymmetricActorCritic,
    AsymmetricSACPolicy,
    AsymmetricTQCPolicy,
)
from policies.train.normalizer import RunningNormalizer

OPERATORS: dict[type[nn.Module], str] = {nn.ELU: "Elu", nn.Tanh: "Tanh", nn.ReLU: "Relu"}


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


def read_actor(path: Path) -> ActorNetwork:
    """Returns the actor of a policy file that `policies.export.onnx_graph` wrote.

    Raises:
        UserError: another program wrote it, or the file cannot be read.
    """
    return read_network(read_model(path), str(path))


def set_gaussian_actor(policy: AsymmetricActorCritic, network: ActorNetwork, weight: float) -> None:
    """Gives PPO's policy an actor; its critic stays.

    Args:
        policy: the policy.
        network: the actor.
        weight: how many observations the actor's normalizer counts for from now on.

    Raises:
        RuntimeError: the policy's networks have another shape.
    """
    before = gaussian_actor(policy, len(network.offset))
    linear = [
        layer
        for layer in (*policy.mlp_extractor.policy_net, policy.action_net)
        if isinstance(layer, nn.Linear)
    ]
    if _shape(before) != _shape(network) or not _same(before.prior, network.prior):
        raise RuntimeError(f"the actor is {_shape(network)}, not {_shape(before)}")
    with torch.no_grad():
        for layer, (matrix, bias) in zip(linear, network.layers, strict=True):
            layer.weight.copy_(torch.from_numpy(matrix.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))
    policy.normalizer.begin_with(network.offset, network.inverse_std, weight)


def _shape(network: ActorNetwork) -> tuple[object, ...]:
    sizes = [weight.shape for weight, _ in network.layers]
    return (*sizes, network.activation, network.limit is None)


def _same(one: Array | None, other: Array | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


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
