"""Takes the part of a trained policy that runs on a robot, as plain arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from edge_runtime.errors import UserError
from edge_runtime.policy.shipped import policy_path
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


def read_actor(path: Path) -> ActorNetwork:
    """Returns the actor of a policy file that `policies.export.onnx_graph` wrote.

    Raises:
        UserError: another program wrote it.
    """
    graph = onnx.load(policy_path(path)).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    operators = {node.op_type for node in graph.node}
    try:
        count = sum(name.startswith("weight_") for name in constants)
        layers = [(constants[f"weight_{i}"].T, constants[f"bias_{i}"]) for i in range(count)]
        prior = constants.get("prior")
        return ActorNetwork(
            offset=constants["offset"],
            inverse_std=constants["inverse_std"],
            layers=tuple(layers),
            activation=next(name for name in OPERATORS.values() if name in operators),
            prior=None if prior is None else prior.T,
            limit=constants.get("limit"),
        )
    except (KeyError, StopIteration):
        raise UserError(f"{path}: its network is not one that 'sim2edge train' exported") from None


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
