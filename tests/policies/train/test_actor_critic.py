import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.train.actor_critic import AsymmetricActorCritic, prior_matrix
from policies.train.algorithms import make_policy
from policies.train.config import TrainConfig
from policies.train.recipes import recipe
from sim.envs.vector_env import TaskVectorEnv

ACTOR, PRIVILEGED, ACTIONS = 5, 3, 2
OBSERVATION = spaces.Box(-np.inf, np.inf, (ACTOR + PRIVILEGED,), np.float32)
ACTION = spaces.Box(-2.0, 2.0, (ACTIONS,), np.float32)


def make(algorithm: str, prior: np.ndarray | None = None) -> Any:
    torch.manual_seed(0)
    config = TrainConfig(task=None, algorithm=algorithm)
    policy = make_policy(config, OBSERVATION, ACTION, ACTOR, prior)
    policy.set_training_mode(False)
    return policy


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "tqc"])
def test_the_actor_sees_its_own_columns_alone(algorithm: str) -> None:
    policy = make(algorithm)
    rows = torch.randn(4, ACTOR + PRIVILEGED)
    other = rows.clone()
    other[:, ACTOR:] += 3.0
    assert torch.equal(policy._predict(rows, True), policy._predict(other, True))
    other = rows.clone()
    other[:, :ACTOR] += 3.0
    assert not torch.equal(policy._predict(rows, True), policy._predict(other, True))


def test_ppos_critic_sees_what_is_privileged() -> None:
    policy = make("ppo")
    rows = torch.randn(4, ACTOR + PRIVILEGED)
    other = rows.clone()
    other[:, ACTOR:] += 3.0
    assert not torch.equal(policy.predict_values(rows), policy.predict_values(other))


@pytest.mark.parametrize("algorithm", ["sac", "tqc"])
def test_off_policy_critics_see_what_is_privileged(algorithm: str) -> None:
    policy = make(algorithm)
    rows, actions = torch.randn(4, ACTOR + PRIVILEGED), torch.zeros(4, ACTIONS)
    other = rows.clone()
    other[:, ACTOR:] += 3.0
    assert not torch.equal(policy.critic(rows, actions)[0], policy.critic(other, actions)[0])


@pytest.mark.parametrize("algorithm", ["sac", "tqc"])
def test_actor_and_critics_share_one_normalizer(algorithm: str) -> None:
    policy = make(algorithm)
    rows = torch.randn(64, ACTOR + PRIVILEGED) * 5.0 + 3.0
    policy.normalizer.update(rows)
    networks = (policy.actor, policy.critic, policy.critic_target)
    assert {id(n.features_extractor.normalizer) for n in networks} == {id(policy.normalizer)}


def test_the_prior_is_added_to_the_mean_action() -> None:
    prior = np.zeros((ACTIONS, ACTOR), np.float32)
    prior[0, 1], prior[1, 4] = 2.0, -0.5
    plain, primed = make("ppo"), make("ppo", prior)
    primed.load_state_dict(plain.state_dict(), strict=False)
    rows = torch.randn(6, ACTOR + PRIVILEGED)
    difference = primed._predict(rows, True) - plain._predict(rows, True)
    expected = torch.stack([2.0 * rows[:, 1], -0.5 * rows[:, 4]], dim=1)
    torch.testing.assert_close(difference, expected)


def test_the_prior_stays_fixed_in_training() -> None:
    policy = make("ppo", np.ones((ACTIONS, ACTOR), np.float32))
    assert isinstance(policy, AsymmetricActorCritic)
    assert "features_extractor.prior" in policy.state_dict()
    assert "features_extractor.prior" not in dict(policy.named_parameters())


def test_the_prior_of_a_task_acts_on_its_gait_clock() -> None:
    task = dataclasses.replace(recipe("HumanoidVelocity").task, noise=False)
    env = TaskVectorEnv(task, 1, threads=1)
    contract = env.contract()
    matrix = prior_matrix(contract, task.action_prior)
    assert matrix is not None
    observation, _ = env.reset(seed=0)
    names = [term.name for term in contract.observations]
    start = sum(contract.term_sizes[: names.index("gait_clock")])
    clock = observation[:, start : start + 2]
    np.testing.assert_allclose(observation @ matrix.T, clock @ task.action_prior.T, atol=1e-6)
    assert np.count_nonzero(matrix.any(axis=0)) == 2
