"""Adapts a policy's actor by low-rank matrices beside its frozen layers (LoRA, Hu et al., 2021)."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.signals import Array

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "Elu": functional.elu,
    "Tanh": torch.tanh,
    "Relu": torch.relu,
}


class AdaptedActor(nn.Module):
    """Computes an actor's mean action with a low-rank adapter on every layer and bias.

    A layer's weight is W + B A, of which A (rank, in) is drawn and B (out, rank) begins as 0, so
    that the adapted actor begins as the actor.

    Args:
        network: the actor, which stays as it is.
        rank: rank of B A.
        generator: draws A.

    Raises:
        UserError: the actor squashes its actions, or the rank is not positive.
    """

    def __init__(self, network: ActorNetwork, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        if rank < 1:
            raise UserError(f"the rank of an adapter is {rank}; it must be 1 at least")
        if network.limit is not None:
            raise UserError("this policy squashes its actions, as SAC's do; learn from one of PPO")
        self.network, self.rank = network, rank
        self._activation = _ACTIVATIONS[network.activation]
        self._offset, self._inverse_std = map(_tensor, (network.offset, network.inverse_std))
        self._prior = None if network.prior is None else _tensor(network.prior).T
        self._weights = [_tensor(weight) for weight, _ in network.layers]
        self._biases = [_tensor(bias) for _, bias in network.layers]
        self.down, self.up, self.shift = (nn.ParameterList() for _ in range(3))
        for weight in self._weights:
            drawn = torch.randn(rank, weight.shape[1], generator=generator)
            self.down.append(nn.Parameter(drawn / math.sqrt(weight.shape[1])))
            self.up.append(nn.Parameter(torch.zeros(weight.shape[0], rank)))
            self.shift.append(nn.Parameter(torch.zeros(weight.shape[0])))

    def features(self, observations: torch.Tensor) -> torch.Tensor:
        """Returns normalized observations, (N, n), as actor and critic see them."""
        clip = self.network.clip
        return ((observations - self._offset) * self._inverse_std).clamp(-clip, clip)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Returns the mean actions before the clip, (N, A), of raw observations (N, n)."""
        return self._compute(observations, self._merged())

    def frozen(self, observations: torch.Tensor) -> torch.Tensor:
        """Returns the same of the actor without its adapter."""
        return self._compute(observations, zip(self._weights, self._biases, strict=True))

    def _compute(
        self, observations: torch.Tensor, layers: Iterable[tuple[torch.Tensor, torch.Tensor]]
    ) -> torch.Tensor:
        value = self.features(observations)
        for number, (weight, bias) in enumerate(layers):
            value = functional.linear(self._activation(value) if number else value, weight, bias)
        return value if self._prior is None else value + observations @ self._prior

    def _merged(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        parts = zip(self._weights, self._biases, self.down, self.up, self.shift, strict=True)
        for weight, bias, down, up, shift in parts:
            yield weight + up @ down, bias + shift

    def drift(
        self, observations: torch.Tensor, mean: torch.Tensor, std: torch.Tensor
    ) -> torch.Tensor:
        """Returns the divergence from the actor without its adapter, (N,), in nats.

        Args:
            observations: raw observations, (N, n).
            mean: the adapted actor's mean actions there, (N, A).
            std: the exploration's standard deviation of each action, (A,).
        """
        with torch.no_grad():
            start = self.frozen(observations)
        return 0.5 * ((mean - start) / std).square().sum(dim=1)

    def merged(self) -> ActorNetwork:
        """Returns an actor without an adapter that computes the same."""
        with torch.no_grad():
            layers = tuple((weight.numpy(), bias.numpy()) for weight, bias in self._merged())
        before = self.network
        return ActorNetwork(
            before.offset,
            before.inverse_std,
            layers,
            before.activation,
            before.prior,
            clip=before.clip,
        )

    def actions(self, observations: Array) -> Array:
        """Returns the mean actions before the clip, (N, A), of raw observations (N, n)."""
        with torch.no_grad():
            actions: Array = self(_tensor(observations)).numpy()
        return actions


def _tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float32, order="C"))
