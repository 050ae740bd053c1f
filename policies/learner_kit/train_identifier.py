"""Trains the regression by which a robot identifies how it is worn."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from edge_runtime.config.fields import setting
from edge_runtime.learning.identify.identifier import Identifier, scaled
from edge_runtime.signals import Float
from policies.learner_kit.worn_robots import WornRobots

_HELD_OUT = 0.15  # share of the robots by which errors are measured


@dataclass(frozen=True)
class IdentifierConfig:
    """Sets the regression's size and training."""

    hidden: int = setting(160, at_least=4, at_most=4096)
    epochs: int = setting(120, at_least=1)
    batch: int = setting(128, at_least=1)
    learning_rate: float = setting(1e-3, above=0)
    weight_decay: float = setting(1e-2, at_least=0)
    noise: float = setting(0.1, "Noise on the scaled features, against overfitting.", at_least=0)


class _Regression(nn.Module):
    def __init__(self, features: int, hidden: int, numbers: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, numbers)
        self.skip = nn.Linear(features, numbers, bias=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(torch.tanh(self.first(inputs))) + self.skip(inputs)
        return found


def train_identifier(
    robots: WornRobots,
    config: IdentifierConfig,
    seed: int,
    progress: Callable[[float], object] = lambda share: None,
) -> Identifier:
    """Trains the regression on some of the robots; measures its errors on the others.

    Args:
        robots: at least a few hundred.
        config: its size and training.
        seed: the seed of everything random.
        progress: called with the share that is done.
    """
    count = len(robots.features)
    trained = count - max(1, round(_HELD_OUT * count))
    mean = robots.features[:trained].mean(axis=0)
    deviation = robots.features[:trained].std(axis=0) + 1e-6
    inputs = scaled(robots.features, mean, deviation)
    centre = robots.numbers[:trained].mean(axis=0)
    spread = robots.numbers[:trained].std(axis=0) + 1e-9
    x = torch.from_numpy(inputs.astype(np.float32))
    y = torch.from_numpy(((robots.numbers - centre) / spread).astype(np.float32))
    generator = torch.Generator().manual_seed(seed)
    net = _initialized(x.shape[1], config.hidden, y.shape[1], generator)
    optimizer = torch.optim.AdamW(
        net.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs)
    for epoch in range(config.epochs):
        for rows in torch.randperm(trained, generator=generator).split(config.batch):
            noise = torch.randn(x[rows].shape, generator=generator)
            loss = (net(x[rows] + config.noise * noise) - y[rows]).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        progress((epoch + 1) / config.epochs)
    identifier = _exported(robots.names, net, (mean, deviation), (centre, spread))
    error = identifier.outputs(robots.features[trained:]) - robots.numbers[trained:]
    errors = np.sqrt((error**2).mean(axis=0)) + 1e-6
    return Identifier(robots.names, errors, identifier.arrays)


def _initialized(
    features: int, hidden: int, numbers: int, generator: torch.Generator
) -> _Regression:
    net = _Regression(features, hidden, numbers)
    for parameter in net.parameters():
        bound = 1.0 / np.sqrt(parameter.shape[-1])
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return net


def _exported(
    names: tuple[str, ...],
    net: _Regression,
    inputs: tuple[Float, Float],
    outputs: tuple[Float, Float],
) -> Identifier:
    """Returns the identifier, whose outputs are in the units of its numbers."""
    centre, spread = outputs

    def array(parameter: torch.Tensor) -> Float:
        return parameter.detach().double().numpy()

    arrays = {
        "mean": inputs[0],
        "deviation": inputs[1],
        "weight_0": array(net.first.weight),
        "bias_0": array(net.first.bias),
        "weight_1": array(net.second.weight) * spread[:, None],
        "bias_1": array(net.second.bias) * spread + centre,
        "skip": array(net.skip.weight) * spread[:, None],
    }
    singles = {name: value.astype(np.float32) for name, value in arrays.items()}
    return Identifier(names, np.ones(len(names)), singles)
