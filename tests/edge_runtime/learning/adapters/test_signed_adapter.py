"""A robot takes an adapter that its server has signed for its policy, and no other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.audit.countersigning import begin_server
from edge_runtime.audit.signature import Signer
from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import read_network
from edge_runtime.learning.adapters.adapter import AdaptedActor
from edge_runtime.learning.adapters.signed_adapter import Rehearsed, SignedAdapter
from edge_runtime.learning.adopt import AdoptConfig, main
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.policy.shipped import shipped_policies
from edge_runtime.slots.slot_folder import SlotFolder

MODEL = read_model(shipped_policies()["VehicleTrack"])
POLICY = Policy(MODEL)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    begin_server(tmp_path / "server")
    return tmp_path / "server"


def adapted() -> AdaptedActor:
    """Returns an actor whose adapter changes its actions."""
    generator = torch.Generator().manual_seed(1)
    actor = AdaptedActor(read_network(MODEL, "car"), 2, generator)
    with torch.no_grad():
        for shift in actor.shift:
            shift += 0.01
    return actor


def signed(server: Path) -> SignedAdapter:
    matrices = {n: v.detach().numpy().copy() for n, v in adapted().state_dict().items()}
    about = Rehearsed(POLICY.sha256, {"drive.scale": 0.8}, rank=2, steps=1000)
    return SignedAdapter.sign(about, matrices, Signer(server))


def test_the_policy_with_it_has_its_trims_and_computes_what_was_rehearsed(
    server: Path, tmp_path: Path
) -> None:
    path, output = tmp_path / "adapter.npz", tmp_path / "adapted.onnx"
    signed(server).save(path)
    slots, public = tmp_path / "slots", Signer(server).public
    SlotFolder(slots).install(shipped_policies()["VehicleTrack"], "test")
    code = main(AdoptConfig(path, shipped_policies()["VehicleTrack"], public, slots, output))
    assert code == 0
    policy = Policy.load(output)
    scale = POLICY.contract.actuators[1].action_scale
    assert policy.contract.actuators[1].action_scale == pytest.approx(0.8 * scale)
    rng = np.random.default_rng(0)
    observations = rng.normal(size=(8, policy.observation.shape[1])).astype(np.float32)
    expected = adapted().actions(observations)
    given = np.concatenate([policy(row[None]).copy() for row in observations])
    np.testing.assert_allclose(given, expected, atol=1e-5)
    state = SlotFolder(slots).status()
    assert state.pending is not None and state.pending.sha256 == policy.sha256
    assert state.good is not None and state.good.sha256 == POLICY.sha256


def test_slots_without_a_policy_to_go_back_to_take_none(server: Path, tmp_path: Path) -> None:
    path, public = tmp_path / "adapter.npz", Signer(server).public
    signed(server).save(path)
    car, slots = shipped_policies()["VehicleTrack"], tmp_path / "slots"
    with pytest.raises(UserError, match="no good policy to go back to"):
        main(AdoptConfig(path, car, public, slots))
    with pytest.raises(UserError, match="64 hexadecimal digits"):
        main(AdoptConfig(path, car, "zz", slots))


def test_another_signer_is_refused(server: Path, tmp_path: Path) -> None:
    signed(server).save(tmp_path / "adapter.npz")
    other = begin_server(tmp_path / "other")
    with pytest.raises(UserError, match="is signed by"):
        SignedAdapter.load(tmp_path / "adapter.npz", other)


def test_what_was_changed_is_refused(server: Path, tmp_path: Path) -> None:
    whole, path = signed(server), tmp_path / "adapter.npz"
    name = next(iter(whole.matrices))
    for changed in (
        replace(whole, matrices=whole.matrices | {name: whole.matrices[name] + 1}),
        replace(whole, about=replace(whole.about, trims={"drive.scale": 1.1})),
    ):
        changed.save(path)
        with pytest.raises(UserError, match="changed after it was signed"):
            SignedAdapter.load(path, Signer(server).public)


def test_another_policy_is_refused(server: Path) -> None:
    humanoid = read_model(shipped_policies()["HumanoidVelocity"])
    with pytest.raises(UserError, match="the adapter is for policy"):
        signed(server).applied_to(humanoid)


def test_a_file_that_is_none_is_refused_in_one_line(server: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter.npz").write_bytes(b"no zip")
    with pytest.raises(UserError) as error:
        SignedAdapter.load(tmp_path / "adapter.npz", Signer(server).public)
    assert "\n" not in str(error.value)
