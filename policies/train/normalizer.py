"""Normalizes observations by running statistics inside the network, so that checkpoints and
exported policies carry them without any further file."""

import hashlib

import torch
from torch import nn

from edge_runtime.learning.adapters.actor_network import CLIP
from edge_runtime.signals import Array

EPSILON = 1e-5


class RunningNormalizer(nn.Module):
    """Scales each column to zero mean and unit variance, then clips to ±`CLIP`.

    Its statistics change only in `update`, which training calls between rollouts: a rollout and
    the updates made from it see the same network.
    """

    mean: torch.Tensor
    variance: torch.Tensor
    count: torch.Tensor
    offset: torch.Tensor
    inverse_std: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        # What `forward` uses, in the precision of the network.
        self.register_buffer("offset", torch.zeros(size))
        self.register_buffer("inverse_std", torch.ones(size))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Returns normalized rows, (N, size)."""
        return ((rows - self.offset) * self.inverse_std).clamp_(-CLIP, CLIP)

    @torch.no_grad()
    def update(self, rows: torch.Tensor) -> None:
        """Adds raw rows, (N, size), by Chan's parallel rule for mean and variance."""
        rows = rows.double()
        count = float(rows.shape[0])
        variance, mean = torch.var_mean(rows, dim=0, correction=0)
        total = self.count + count
        change = mean - self.mean
        spread = self.variance * self.count + variance * count
        spread += change.square() * (self.count * count / total)
        self.mean += change * (count / total)
        self.variance.copy_(spread / total)
        self.count.copy_(total)
        self.offset.copy_(self.mean)
        self.inverse_std.copy_((self.variance + EPSILON).rsqrt())

    @torch.no_grad()
    def begin_with(self, offset: Array, inverse_std: Array, weight: float) -> None:
        """Scales the first columns, (n,), as another normalizer did, as if after `weight` rows."""
        known = len(offset)
        self.offset[:known] = torch.from_numpy(offset.copy())
        self.inverse_std[:known] = torch.from_numpy(inverse_std.copy())
        self.mean[:known] = self.offset[:known].double()
        self.variance[:known] = self.inverse_std[:known].double() ** -2 - EPSILON
        self.count.fill_(weight)


def normalizer_sha256(offset: Array, inverse_std: Array) -> str:
    """Returns the hash of the statistics, (n,) each, that a policy was exported with."""
    return hashlib.sha256(offset.tobytes() + inverse_std.tobytes()).hexdigest()
