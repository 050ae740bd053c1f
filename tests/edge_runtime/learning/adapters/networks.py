"""Small actors and critics to learn with, and rows of experience for them."""

import numpy as np
import torch

from edge_runtime.experience.layout import Layout, Rows
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.critic import Critic, new_critic
from edge_runtime.policy.inference import read_model

OBSERVATION, ACTION = 4, 2
STD = np.float32([0.3, 0.2])
LAYOUT = Layout("ab" * 32, "leg", OBSERVATION, ACTION, ("near", "cost"))
HUMANOID = read_model("HumanoidVelocity")


def small_network(seed: int = 0) -> ActorNetwork:
    rng = np.random.default_rng(seed)

    def array(*shape: int) -> np.ndarray:
        return rng.normal(0.0, 0.5, shape).astype(np.float32)

    return ActorNetwork(
        offset=array(OBSERVATION),
        inverse_std=np.abs(array(OBSERVATION)) + 0.5,
        layers=((array(16, OBSERVATION), array(16)), (array(ACTION, 16), array(ACTION))),
        activation="Elu",
        prior=array(ACTION, OBSERVATION),
    )


def small_actor(seed: int = 0, rank: int = 2) -> AdaptedActor:
    return AdaptedActor(small_network(), rank, torch.Generator().manual_seed(seed))


def small_critic(seed: int = 0) -> Critic:
    return new_critic(OBSERVATION, (16,), torch.Generator().manual_seed(seed))


def moved(actor: AdaptedActor, seed: int = 1, by: float = 0.1) -> AdaptedActor:
    """Gives an adapter something to say."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter += by * torch.randn(parameter.shape, generator=generator)
    return actor


def explored(actor: AdaptedActor, count: int, seed: int) -> Rows:
    """Rows of an actor that explores, each the end of its episode, without a reward."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, LAYOUT.dtype)
    rows["number"] = np.arange(count)
    rows["observation"] = rng.normal(size=(count, OBSERVATION))
    noise = rng.normal(size=(count, ACTION)).astype(np.float32)
    rows["action"] = actor.actions(rows["observation"]) + STD * noise
    constant = np.log(STD).sum() + np.log(2 * np.pi)
    rows["log_prob"] = -0.5 * (noise**2).sum(axis=1) - constant
    rows["flags"] = 1
    return rows
