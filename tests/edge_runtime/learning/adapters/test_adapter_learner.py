"""The tier of adapters proposes after a rollout, takes back what is refused, and goes on alike."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.learning.adapters.adapter_learner import AdapterLearner
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.process.checkpoint import read_checkpoint, write_checkpoint
from edge_runtime.learning.tier import Proposal, Rows
from edge_runtime.policy.inference import Policy
from edge_runtime.policy.shipped import kit_path
from tests.edge_runtime.learning.adapters.networks import HUMANOID

SIZE = 128


@pytest.fixture(scope="module")
def kit() -> LearnerKit:
    kit = LearnerKit.load(kit_path(Path("HumanoidVelocity")), Policy(HUMANOID).sha256)
    ppo = dataclasses.replace(kit.config.ppo, rollout=SIZE, minibatch=64, critic_steps=0)
    return dataclasses.replace(kit, config=dataclasses.replace(kit.config, ppo=ppo))


def rows(kit: LearnerKit, seed: int, count: int = SIZE, first: int = 0) -> Rows:
    """Rows of a policy that explores, with rewards by chance."""
    policy, rng = Policy(HUMANOID), np.random.default_rng(seed)
    contract = policy.contract
    actions = len(contract.actuators)
    observation = rng.normal(0, 0.3, (count, contract.observation_size)).astype(np.float32)
    z = rng.normal(size=(count, actions)).astype(np.float32)
    mean = np.concatenate([policy(row[None]).copy() for row in observation])
    size = np.log(kit.std).sum() + 0.5 * actions * np.log(2 * np.pi)
    return Rows(
        number=np.arange(first, first + count),
        flags=np.zeros(count, np.uint8),
        observation=observation,
        action=mean + kit.std * z,
        log_prob=(-0.5 * (z**2).sum(axis=1) - size).astype(np.float32),
        target=np.zeros((count, 0), np.float32),
        signals={},
        reward=rng.normal(size=(count, len(kit.config.reward.weights))).astype(np.float32),
    )


def proposed(tier: AdapterLearner, rows: Rows) -> Proposal:
    proposal = tier.take(rows)
    assert proposal is not None
    return proposal


def test_a_rollout_makes_a_policy_and_a_verdict_another(kit: LearnerKit) -> None:
    tier = AdapterLearner(HUMANOID, kit, 0)
    assert tier.take(rows(kit, 0, SIZE // 2)) is None
    proposal = proposed(tier, rows(kit, 1, SIZE // 2, SIZE // 2))
    policy = Policy(proposal.model)
    assert policy.sha256 != Policy(HUMANOID).sha256
    assert proposal.numbers["kl"] > 0 and "update 1" in proposal.why
    assert tier.take(rows(kit, 2)) is None  # one is on trial
    tier.judged(proposal, True, "no fault")
    tier.driver(proposal.model)
    second = proposed(tier, rows(kit, 3, 1, SIZE))
    assert "update 2" in second.why and tier.progress()["rows"] == 0


def actions(tier: AdapterLearner) -> np.ndarray:
    observations = np.array(Policy(HUMANOID).contract.golden_observations, np.float32)
    found: np.ndarray = tier._ppo.actor.actions(observations)
    return found


def test_what_is_refused_is_taken_back(kit: LearnerKit) -> None:
    tier = AdapterLearner(HUMANOID, kit, 0)
    before = actions(tier)
    proposal = proposed(tier, rows(kit, 0))
    assert np.abs(actions(tier) - before).max() > 0
    tier.judged(proposal, False, "it trips")
    np.testing.assert_array_equal(actions(tier), before)


def test_another_driver_begins_another_adapter(kit: LearnerKit) -> None:
    tier = AdapterLearner(HUMANOID, kit, 0)
    other = proposed(AdapterLearner(HUMANOID, kit, 7), rows(kit, 5)).model
    own = proposed(tier, rows(kit, 0))
    tier.judged(own, True, "")
    tier.driver(own.model)
    changed = actions(tier)
    tier.driver(own.model)
    np.testing.assert_array_equal(actions(tier), changed)
    tier.driver(other)
    golden = Policy(other).contract
    np.testing.assert_allclose(actions(tier), golden.golden_actions, atol=1e-4)


def test_it_goes_on_bit_for_bit_from_a_checkpoint(kit: LearnerKit, tmp_path: Path) -> None:
    def lived(tier: AdapterLearner, restart: bool) -> bytes:
        first = proposed(tier, rows(kit, 0))
        tier.judged(first, True, "")
        tier.take(rows(kit, 1, SIZE // 2, SIZE))
        if restart:
            write_checkpoint(tmp_path / "state.npz", tier.state())
            state: dict[str, Any] = read_checkpoint(tmp_path / "state.npz")
            tier = AdapterLearner(HUMANOID, kit, 0)
            tier.restore(state)
        return proposed(tier, rows(kit, 2, SIZE // 2, SIZE + SIZE // 2)).model

    alike = (
        lived(AdapterLearner(HUMANOID, kit, 0), True),
        lived(AdapterLearner(HUMANOID, kit, 0), False),
    )
    assert alike[0] == alike[1]
