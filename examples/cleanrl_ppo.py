"""Trains by PPO in one file, after CleanRL's ppo_continuous_action.py (Huang et al., JMLR 2022).

It steps the batch of Gymnasium's `make_vec`, and writes a policy file that a robot runs.
"""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import tyro
from torch import nn

from edge_runtime.files import write_file
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from policies.export.checked_model import checked_model

GAMMA, LAMBDA, CLIP, EPOCHS, MINIBATCHES = 0.99, 0.95, 0.2, 5, 8


class Agent(nn.Module):
    """Joins a Gaussian actor and a critic."""

    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.mean = _network(observations, actions)
        self.critic = _network(observations, 1)
        self.log_std = nn.Parameter(torch.full((actions,), -0.5))

    def distribution(self, seen: torch.Tensor) -> torch.distributions.Normal:
        """Returns the distribution of actions for normalized observations, (N, columns)."""
        return torch.distributions.Normal(self.mean(seen), self.log_std.exp())


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)
    )


def main(
    env_id: str = "sim:sim2edge/VehicleTrack-v0",
    iterations: int = 500,
    num_envs: int = 64,
    horizon: int = 64,
    output: Path = Path("out/cleanrl/policy.onnx"),
) -> None:
    """Trains, and writes the policy file."""
    torch.manual_seed(0)
    envs: Any = gymnasium.make_vec(env_id, num_envs=num_envs)
    agent = Agent(envs.single_observation_space.shape[0], envs.single_action_space.shape[0])
    optimizer = torch.optim.Adam(agent.parameters(), lr=3e-4, eps=1e-5)
    seen = torch.from_numpy(envs.reset(seed=0)[0])
    for iteration in range(iterations):
        batch, seen = _rollout(envs, agent, seen, horizon)
        for _ in range(EPOCHS):
            for rows in torch.randperm(num_envs * horizon).chunk(MINIBATCHES):
                loss = _loss(agent, *(part.flatten(0, 1)[rows] for part in batch))
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
        print(f"iteration {iteration}: reward {batch[-1].mean():.4f} a step", flush=True)
    write_file(output, _export(agent, envs, seen))
    envs.close()


@torch.no_grad()
def _rollout(
    envs: Any, agent: Agent, seen: torch.Tensor, horizon: int
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Returns observations, actions, log probabilities, advantages, returns and rewards, (T, N,
    ...)."""
    steps: list[tuple[torch.Tensor, ...]] = []
    for _ in range(horizon):
        policy = agent.distribution(seen)
        action = policy.sample()
        following, reward, terminated, truncated, info = envs.step(action.numpy())
        last = torch.from_numpy(info.get("final_obs", following))  # before the reset
        ended = torch.from_numpy(terminated | truncated)
        value, after = agent.critic(seen)[:, 0], agent.critic(torch.from_numpy(following))[:, 0]
        after = torch.where(ended, agent.critic(last)[:, 0], after)
        after = after * ~torch.from_numpy(terminated)
        reward = torch.from_numpy(reward)
        log_prob = policy.log_prob(action).sum(1)
        steps.append((seen, action, log_prob, reward + GAMMA * after - value, value, reward, ended))
        seen = torch.from_numpy(following)
    obs, actions, log_probs, errors, values, rewards, ends = map(torch.stack, zip(*steps))
    advantages, ahead = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(horizon)):
        advantages[t] = ahead = errors[t] + GAMMA * LAMBDA * ahead * ~ends[t]
    return [obs, actions, log_probs, advantages, advantages + values, rewards], seen


def _loss(
    agent: Agent,
    seen: torch.Tensor,
    action: torch.Tensor,
    old: torch.Tensor,
    advantage: torch.Tensor,
    target: torch.Tensor,
    _: torch.Tensor,
) -> torch.Tensor:
    ratio = (agent.distribution(seen).log_prob(action).sum(1) - old).exp()
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    gain = torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
    return 0.5 * ((agent.critic(seen)[:, 0] - target) ** 2).mean() - gain


def _export(agent: Agent, envs: Any, seen: torch.Tensor) -> bytes:
    """Returns the policy file: the actor's weights, and the contract of the task it was trained
    for."""
    layers = [layer for layer in agent.mean if isinstance(layer, nn.Linear)]
    weights = [(x.weight.detach().numpy(), x.bias.detach().numpy()) for x in layers]
    size = seen.shape[1]
    offset, inverse_std = np.zeros(size, np.float32), np.ones(size, np.float32)
    network = ActorNetwork(offset, inverse_std, tuple(weights), "Tanh", clip=float("inf"))
    expected = agent.mean(seen).detach().numpy()
    contract = envs.unwrapped.contract()
    return checked_model(network, contract, seen.numpy(), expected, "this policy")


if __name__ == "__main__":
    tyro.cli(main)
