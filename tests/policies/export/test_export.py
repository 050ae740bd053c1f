import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edge_runtime.errors import UserError
from edge_runtime.learning.adapters.actor_network import ActorNetwork
from edge_runtime.policy.inference import Policy
from policies.commands import train
from policies.export.checked_model import parity
from policies.export.free_batch import free_batch
from policies.export.onnx_graph import build_model
from policies.export.run_export import export_run, restore_policy, torch_actions
from policies.train.normalizer import CLIP
from policies.train.run_folder import RunFolder
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import short


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "tqc"])
def test_onnx_runtime_gives_torchs_actions(algorithm: str, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    train.main(short(run.path, algorithm=algorithm))
    checkpoint, policy = run.load(), Policy(export_run(run))
    size, everything = policy.observation.shape[1], checkpoint["last"]["_last_obs"].shape[1]
    torch_policy = restore_policy(checkpoint, run.config, size)
    rng = np.random.default_rng(0)
    rows = rng.normal(0.0, 2.0, (500, everything)).astype(np.float32)
    rows[::7] *= 1e4  # far beyond the normalizer's clip
    assert parity(policy, rows[:, :size], torch_actions(torch_policy, rows)) <= 1e-5


def test_the_file_is_self_contained(trained: Path) -> None:
    model = onnx.load(trained / "policy.onnx")
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    assert [i.name for i in model.graph.input] == ["obs"]
    assert [o.name for o in model.graph.output] == ["actions"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert {opset.version for opset in model.opset_import} == {17}
    assert model.ir_version <= 8


def test_the_contract_tells_where_it_comes_from(trained: Path) -> None:
    contract = Policy.load(trained / "policy.onnx").contract
    origin, run = contract.provenance, RunFolder(trained)
    assert (origin.seed, origin.algorithm, origin.steps) == (0, "ppo", 128)
    assert origin.commit == run.record["commit"]
    assert len(origin.normalizer_sha256) == 64
    assert origin.train_seconds > 0
    assert len(contract.golden_observations) >= 8
    recorded = run.load()["last"]["_last_obs"][:, : contract.observation_size]
    golden = np.array(contract.golden_observations, np.float32)
    assert all((recorded == row).all(axis=1).any() for row in golden)


def test_exporting_twice_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    assert sim2edge(["export", str(trained), "--output", str(tmp_path / "a.onnx")]) == 0
    checkpoint = str(trained / "checkpoint.pt")
    assert sim2edge(["export", checkpoint, "--output", str(tmp_path / "b.onnx")]) == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert (tmp_path / "a.onnx").read_bytes() == (trained / "policy.onnx").read_bytes()


def test_weights_that_are_not_numbers_are_not_exported(trained: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    (tmp_path / "config.json").write_bytes((trained / "config.json").read_bytes())
    checkpoint = RunFolder(trained).load()
    checkpoint["parameters"]["policy"]["action_net.bias"][0] = np.nan
    run.save(checkpoint)
    with pytest.raises(UserError, match="not finite"):
        export_run(run)


def test_the_graph_computes_what_it_should() -> None:
    rng = np.random.default_rng(1)

    def array(*shape: int) -> np.ndarray:
        return rng.normal(0.0, 1.0, shape).astype(np.float32)

    network = ActorNetwork(
        offset=array(4),
        inverse_std=np.abs(array(4)),
        layers=((array(8, 4), array(8)), (array(3, 8), array(3))),
        activation="Tanh",
        prior=array(3, 4),
        limit=np.float32([1.0, 2.0, 3.0]),
    )
    rows = array(50, 4) * 20.0
    x = np.clip((rows - network.offset) * network.inverse_std, -CLIP, CLIP)
    (first, second), prior = network.layers, network.prior
    assert prior is not None
    hidden = np.tanh(x @ first[0].T + first[1])
    expected = np.tanh(hidden @ second[0].T + second[1] + rows @ prior.T) * network.limit
    session = ort.InferenceSession(free_batch(build_model(network, {})))
    (given,) = session.run(None, {"obs": rows})
    np.testing.assert_allclose(given, expected, atol=1e-5)
    plain = dataclasses.replace(network, prior=None, limit=None)
    session = ort.InferenceSession(free_batch(build_model(plain, {})))
    (given,) = session.run(None, {"obs": rows})
    np.testing.assert_allclose(given, hidden @ second[0].T + second[1], rtol=1e-5, atol=1e-5)


def test_a_folder_that_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sim2edge(["export", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["checkpoint.pt", "config.json", "run.json"])
def test_what_a_run_is_made_of_is_not_replaced(
    name: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (trained / name).read_bytes()
    for words in (
        ["export", str(trained), "-o", str(trained / name)],
        ["export", str(trained), "-o", str(tmp_path / "a.onnx"), "--sb3", str(trained / name)],
        ["eval", str(trained), "--json", str(trained / name)],
        ["render", str(trained), "-o", str(trained / name)],
        ["urdf", "vehicle", "-o", str(trained / name)],
    ):
        assert sim2edge(words) == 2
        assert "is what the run is made of; name another file" in capsys.readouterr().err
    assert (trained / name).read_bytes() == before
