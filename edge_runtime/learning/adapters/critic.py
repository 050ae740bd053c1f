"""Predicts the return that a robot can still expect, from what its policy observes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from edge_runtime.signals import Array


class Critic(nn.Module):
    """Predicts discounted returns from the actor's normalized observation.

    Args:
        arrays: `weight_i` (out, in) and `bias_i` (out,) of each layer, and `scale`, (2,), the mean
            and the standard deviation of the returns that the last layer's output is scaled by.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        super().__init__()
        count = sum(name.startswith("weight_") for name in arrays)
        copies = [np.array(arrays[f"{of}_{i}"]) for i in range(count) for of in ("weight", "bias")]
        self.layers = nn.ParameterList(nn.Parameter(torch.from_numpy(a)) for a in copies)
        self.mean, self.std = np.asarray(arrays["scale"], np.float64).tolist()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Returns scaled returns, (N,), of normalized observations (N, n)."""
        value = features
        for number in range(0, len(self.layers), 2):
            value = functional.elu(value) if number else value
            value = functional.linear(value, self.layers[number], self.layers[number + 1])
        return value[:, 0]

    def values(self, features: torch.Tensor) -> Array:
        """Returns the returns to expect, (N,), of normalized observations (N, n)."""
        with torch.no_grad():
            values: Array = (self(features) * self.std + self.mean).numpy()
        return values

    def scaled(self, returns: npt.NDArray[np.floating]) -> torch.Tensor:
        """Returns what `forward` should predict for returns (N,)."""
        return torch.from_numpy(((returns - self.mean) / self.std).astype(np.float32))

    def arrays(self) -> dict[str, Array]:
        """Returns the arrays that a copy is made of."""
        layers = [layer.detach().numpy().copy() for layer in self.layers]
        named = {f"{('weight', 'bias')[k % 2]}_{k // 2}": a for k, a in enumerate(layers)}
        return named | {"scale": np.array([self.mean, self.std], np.float32)}


def new_critic(size: int, layers: Sequence[int], generator: torch.Generator) -> Critic:
    """Returns a critic that knows nothing yet and predicts almost 0.

    Args:
        size: numbers of an observation.
        layers: sizes of the hidden layers.
        generator: draws the weights.
    """
    arrays: dict[str, Array] = {"scale": np.array([0.0, 1.0], np.float32)}
    sizes = [size, *layers, 1]
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        matrix = torch.empty(outputs, inputs)
        nn.init.orthogonal_(matrix, 0.01 if i == len(layers) else 2**0.5, generator)
        arrays |= {f"weight_{i}": matrix.numpy(), f"bias_{i}": np.zeros(outputs, np.float32)}
    return Critic(arrays)
