"""An adapter begins as nothing, merges into what it computes, and finds its own policy alone."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from edge_runtime.errors import ContractError, UserError
from edge_runtime.learning.adapters.actor_network import read_network
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.merged_policy import merged_policy
from edge_runtime.policy.inference import Policy
from tests.edge_runtime.learning.adapters.networks import (
    HUMANOID,
    moved,
    small_actor,
    small_network,
)

SHA256 = "ab" * 32


def humanoid_actor(seed: int = 0) -> AdaptedActor:
    network = read_network(HUMANOID, "humanoid")
    return AdaptedActor(network, 4, torch.Generator().manual_seed(seed))


def test_a_new_adapter_changes_nothing() -> None:
    policy, actor = Policy(HUMANOID), humanoid_actor()
    golden = np.float32(policy.contract.golden_observations)
    np.testing.assert_allclose(actor.actions(golden), policy.contract.golden_actions, atol=1e-5)
    merged = merged_policy(HUMANOID, actor, "ppo", 0)
    np.testing.assert_allclose(
        Policy(merged).contract.golden_actions, policy.contract.golden_actions, atol=1e-5
    )


def test_a_merged_policy_does_what_the_adapted_actor_does() -> None:
    actor = moved(humanoid_actor(), by=0.03)
    merged, parent = Policy(merged_policy(HUMANOID, actor, "ppo", 60_000, 3)), Policy(HUMANOID)
    rng = np.random.default_rng(0)
    golden = np.float32(parent.contract.golden_observations)
    rows = golden + rng.normal(0, 0.3, golden.shape).astype(np.float32)
    given = np.concatenate([merged(row[None]).copy() for row in rows])
    np.testing.assert_allclose(given, actor.actions(rows), atol=1e-4)
    before = np.concatenate([parent(row[None]).copy() for row in rows])
    assert np.abs(given - before).max() > 0.05


def test_a_merged_policy_has_the_contract_of_its_parent_and_names_it() -> None:
    merged = Policy(merged_policy(HUMANOID, moved(humanoid_actor(), by=0.01), "ppo", 60_000, 3))
    found, parent = merged.contract, Policy(HUMANOID).contract
    assert hashlib.sha256(HUMANOID).hexdigest() in found.provenance.command
    assert (found.provenance.algorithm, found.provenance.steps) == ("ppo on the robot", 60_000)
    same = {"provenance": parent.provenance, "golden_actions": parent.golden_actions}
    assert dataclasses.replace(found, **same) == parent


def test_a_layer_gets_the_product_and_the_bias() -> None:
    actor = moved(small_actor())
    weight, bias = actor.merged().layers[0]
    before = small_network().layers[0]
    up, down, shift = (of[0].detach().numpy() for of in (actor.up, actor.down, actor.shift))
    np.testing.assert_allclose(weight, before[0] + up @ down, atol=1e-6)
    np.testing.assert_allclose(bias, before[1] + shift, atol=1e-6)
    assert np.linalg.matrix_rank(weight - before[0], tol=1e-4) <= 2


def test_what_no_adapter_fits_is_refused() -> None:
    generator = torch.Generator()
    with pytest.raises(UserError, match="1 at least"):
        AdaptedActor(small_network(), 0, generator)
    squashing = dataclasses.replace(small_network(), limit=np.ones(2, np.float32))
    with pytest.raises(UserError, match="squashes"):
        AdaptedActor(squashing, 2, generator)
    with pytest.raises(ContractError, match="not one that 'sim2edge train' exported"):
        read_network(b"nonsense", "file")
