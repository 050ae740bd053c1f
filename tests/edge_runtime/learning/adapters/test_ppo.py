"""PPO on adapters finds what is known to be best, stays near the start, and goes on bit for bit."""

import copy
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Flag, Layout, Rows
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.advantages import advantages
from edge_runtime.learning.adapters.ppo import AdapterPPO, learner_from_kit
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.policy.shipped import kit_path
from tests.edge_runtime.learning.adapters.networks import (
    HUMANOID,
    LAYOUT,
    STD,
    explored,
    small_actor,
    small_critic,
    small_network,
)

CONFIG = PPOConfig(minibatch=128, critic_steps=0, learning_rate=5e-3)
WEIGHTS = np.array([1.0, 0.0])


def rewarded(actor: AdaptedActor, count: int, seed: int) -> Rows:
    """Rows that reward actions near 0.5 more than those of the actor at its start."""
    rows = explored(actor, count, seed)
    wanted = small_actor().actions(rows["observation"]) + 0.5
    rows["reward"][:, 0] = -np.square(rows["action"] - wanted).sum(axis=1)
    return rows


def learner(config: PPOConfig = CONFIG, seed: int = 0) -> AdapterPPO:
    return AdapterPPO(small_actor(), small_critic(), WEIGHTS, STD, config, seed)


def same(one: AdapterPPO, other: AdapterPPO) -> bool:
    parameters = zip(
        [*one.actor.parameters(), *one.critic.parameters()],
        [*other.actor.parameters(), *other.critic.parameters()],
    )
    return all(torch.equal(a, b) for a, b in parameters)


def test_it_learns_the_action_that_is_known_to_be_best() -> None:
    ppo = learner()
    for seed in range(30):
        ppo.update(rewarded(ppo.actor, 512, seed))
    rows = explored(ppo.actor, 200, 99)["observation"]
    error = ppo.actor.actions(rows) - (small_actor().actions(rows) + 0.5)
    assert np.abs(error).mean() < 0.2  # 0.5 at the start


def test_a_leash_holds_it_near_the_start() -> None:
    drifts = []
    for leash in (0.0, 5.0):
        ppo = learner(replace(CONFIG, leash=leash))
        stats = [ppo.update(rewarded(ppo.actor, 512, seed)) for seed in range(10)]
        drifts.append(stats[-1]["drift"])
    assert drifts[1] < drifts[0] / 3


def test_an_update_ends_when_the_policy_has_changed_enough() -> None:
    ppo = learner(replace(CONFIG, largest_kl=1e-6))
    stats = ppo.update(rewarded(ppo.actor, 512, 0))
    assert stats["passes"] == 1
    assert stats["kl"] > 1e-6


def test_the_critic_learns_first_and_alone() -> None:
    ppo = learner(replace(CONFIG, critic_steps=600))
    before = copy.deepcopy(ppo.actor.state_dict())
    first = ppo.update(rewarded(ppo.actor, 512, 0))
    assert first["passes"] == 0
    ppo.update(rewarded(ppo.actor, 512, 1))
    assert all(torch.equal(ppo.actor.state_dict()[name], of) for name, of in before.items())
    assert ppo.update(rewarded(ppo.actor, 512, 2))["passes"] > 0


def test_it_goes_on_bit_for_bit_after_a_checkpoint(tmp_path: Path) -> None:
    rollouts = [rewarded(small_actor(), 300, seed) for seed in range(4)]
    whole, first = learner(), learner()
    for rows in rollouts:
        whole.update(rows)
    for rows in rollouts[:2]:
        first.update(rows)
    second = learner(seed=7)
    torch.save(first.state_dict(), tmp_path / "checkpoint.pt")
    second.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    for rows in rollouts[2:]:
        second.update(rows)
    assert same(whole, second)
    assert second.steps == whole.steps == 1200


def test_a_seed_decides_everything() -> None:
    rows, found = rewarded(small_actor(), 300, 0), [learner(), learner(), learner(seed=1)]
    for ppo in found:
        ppo.update(rows)
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_what_was_not_explored_or_corrected_moves_no_action() -> None:
    rows, ppo = rewarded(small_actor(), 200, 0), learner()
    rows["log_prob"][:100] = np.nan
    rows["flags"][100:] |= np.uint8(Flag.CORRECTED)
    before = copy.deepcopy(ppo.critic.state_dict())
    stats = ppo.update(rows)
    assert stats["kl"] == 0.0
    observations = rows["observation"]
    np.testing.assert_array_equal(
        ppo.actor.actions(observations), small_actor().actions(observations)
    )
    assert not all(torch.equal(ppo.critic.state_dict()[name], of) for name, of in before.items())


def test_rows_that_cannot_be_learned_from_are_refused() -> None:
    rows = rewarded(small_actor(), 10, 0)
    rows["flags"] = Flag.CUT
    with pytest.raises(UserError, match="none of the rows"):
        learner().update(rows)
    ppo = AdapterPPO(small_actor(), small_critic(), np.ones(3), STD, CONFIG)
    with pytest.raises(UserError, match="2 parts"):
        ppo.update(rows)


def test_log_probabilities_are_those_of_a_gaussian() -> None:
    ppo, rows = learner(), explored(small_actor(), 50, 3)
    mean = ppo.actor(torch.from_numpy(rows["observation"].copy()))
    found = ppo.log_prob(mean, torch.from_numpy(rows["action"].copy()))
    np.testing.assert_allclose(found.detach().numpy(), rows["log_prob"], atol=1e-4)


def test_an_untrained_critic_foresees_almost_nothing() -> None:
    features = torch.randn(20, small_network().offset.size)
    assert np.abs(small_critic().values(features)).max() < 0.1


def test_advantages_of_a_known_episode() -> None:
    """With the values that the rewards make true no action is better than expected."""
    rows = np.zeros(4, LAYOUT.dtype)
    rows["number"], rows["flags"][3] = np.arange(4), Flag.END
    reward = np.array([1.0, 2.0, 3.0, 4.0])
    values = [4.0]
    for one in reward[2::-1]:
        values.insert(0, one + 0.9 * values[0])
    found, known = advantages(rows, reward, np.array(values), 0.9, 0.95)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)
    assert known.all()
    found, _ = advantages(rows, reward, np.zeros(4), 0.9, 1.0)
    np.testing.assert_allclose(found, values)  # λ = 1 and no foresight: the returns


def test_nothing_is_known_where_the_next_row_is_missing() -> None:
    rows = np.zeros(5, LAYOUT.dtype)
    rows["number"] = [0, 1, 5, 6, 7]
    rows["flags"] = [0, 0, Flag.CUT, 0, 0]
    found, known = advantages(rows, np.ones(5), np.zeros(5), 0.9, 0.95)
    assert known.tolist() == [True, False, False, True, False]
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0, 1.0, 0.0])


@given(st.integers(0, 2**32 - 1))
def test_without_foresight_an_advantage_looks_one_step_ahead(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.zeros(20, LAYOUT.dtype)
    rows["number"] = np.arange(20)
    rows["flags"] = rng.choice([0, Flag.END, Flag.CUT], 20, p=[0.8, 0.1, 0.1])
    reward, values = rng.normal(size=20), rng.normal(size=20)
    found, known = advantages(rows, reward, values, 0.9, 0.0)
    after = np.append(values[1:], 0.0) * (rows["flags"] == 0)
    np.testing.assert_allclose(found[known], (reward + 0.9 * after - values)[known])


def test_a_shipped_kit_makes_a_learner_of_its_policy() -> None:
    kit = LearnerKit.load(kit_path(Path("HumanoidVelocity")), hashlib.sha256(HUMANOID).hexdigest())
    ppo = learner_from_kit(kit, HUMANOID, "humanoid", seed=3)
    alive = [*kit.config.reward.weights].index("alive")
    layout = Layout(kit.config.policy, "humanoid", 153, 19, tuple(kit.config.reward.weights))
    rows = np.zeros(64, layout.dtype)
    rows["number"], rows["log_prob"] = np.arange(64), np.nan
    rows["reward"][:, alive] = 1.0
    expected = kit.config.reward.weights["alive"] * 0.02  # a control step is 20 ms
    assert ppo.update(rows)["reward"] == pytest.approx(expected)
