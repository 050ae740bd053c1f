"""Trains the critic that a robot's learner begins with, on rollouts of many devices."""

from collections.abc import Sequence

import numpy as np
import torch

from edge_runtime.experience.layout import Rows
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.learning.adapters.advantages import advantages
from edge_runtime.learning.adapters.critic import Critic, new_critic
from edge_runtime.learning.adapters.gradient_steps import minibatches, take_step
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.signals import Array, Float

_LAYERS = (128, 128)
_ROUNDS, _EPOCHS = 12, 2
_MINIBATCH = 1024


def train_critic(
    rows: Sequence[Rows],
    rewards: Sequence[Float],
    network: ActorNetwork,
    config: PPOConfig,
    seed: int,
) -> Critic:
    """Returns a critic that knows what a policy can expect on the devices of these rollouts.

    It learns λ-returns, again and again from its own predictions, as a robot's learner does later.

    Args:
        rows: experience of each robot.
        rewards: its rewards, (T,) each.
        network: the policy's actor, whose normalizer the critic shares.
        config: discounts and the step size.
        seed: draws weights and minibatches.
    """
    generator = torch.Generator().manual_seed(seed)
    observations = np.concatenate([of["observation"] for of in rows])
    seen = (observations - network.offset) * network.inverse_std
    features = torch.from_numpy(np.clip(seen, -network.clip, network.clip).astype(np.float32))
    start = new_critic(features.shape[1], _LAYERS, generator).arrays()
    start["scale"] = _scale(rows, rewards, config)
    critic = Critic(start)
    optimizer = torch.optim.Adam(critic.parameters(), config.critic_learning_rate)
    ends = np.cumsum([len(of) for of in rows])
    for number in range(_ROUNDS):
        values = np.split(critic.values(features), ends[:-1])
        found = [
            advantages(of, reward, value, config.gamma, config.decay)
            for of, reward, value in zip(rows, rewards, values)
        ]
        known = np.concatenate([of for _, of in found])
        returns = np.concatenate([value + of for value, (of, _) in zip(values, found)])
        target, places = critic.scaled(returns), torch.from_numpy(np.flatnonzero(known))
        optimizer.param_groups[0]["lr"] = config.critic_learning_rate * (1 - number / _ROUNDS)
        for _ in range(_EPOCHS):
            for drawn in minibatches(len(places), _MINIBATCH, generator):
                chosen = places[drawn]
                loss = torch.nn.functional.mse_loss(critic(features[chosen]), target[chosen])
                take_step(optimizer, loss, config.max_grad_norm)
    return critic


def _scale(rows: Sequence[Rows], rewards: Sequence[Float], config: PPOConfig) -> Array:
    """Returns mean and standard deviation of the returns, roughly: as if no episode ended."""
    horizon = 1.0 / (1.0 - config.gamma) if config.gamma < 1 else float(max(map(len, rows)))
    window = max(1, min(round(horizon), *map(len, rows)))
    sums = [np.convolve(reward, np.ones(window), "valid") * horizon / window for reward in rewards]
    every = np.concatenate(sums)
    return np.array([every.mean(), max(float(every.std()), 1e-6)], np.float32)
