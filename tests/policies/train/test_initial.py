"""A training that begins with what another has learnt."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.signals import Array
from policies.commands import train
from policies.evaluation.policy_file import PolicyFile
from policies.train.run_folder import RunFolder
from policies.train.training import Training
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import ITERATION, short


def begin(run: Path, initial: Path, **changes: object) -> Training:
    config = short(run, initial=initial, **changes)
    return Training(config, RunFolder.create(run, config, {}))


def test_it_acts_as_the_other_learnt_but_explores_anew(trained: Path, tmp_path: Path) -> None:
    learnt = RunFolder(trained).load()["parameters"]["policy"]
    ppo = dataclasses.replace(short(tmp_path).ppo, initial_log_std=-1.5)
    training = begin(tmp_path / "run", trained, ppo=ppo)
    found = training.algorithm.policy.state_dict()
    for name, value in learnt.items():
        if name != "log_std":
            assert torch.equal(found[name], torch.from_numpy(value)), name
    assert (found["log_std"] == -1.5).all()
    training.close()


def test_it_begins_with_a_policy_file_and_teaches_its_critic_first(
    trained: Path, tmp_path: Path
) -> None:
    shipped = PolicyFile.committed("HumanoidVelocity")
    file = tmp_path / "shipped.onnx"
    file.write_bytes(shipped.model)
    ppo = dataclasses.replace(short(tmp_path).ppo, actor_layers=(128, 128), critic_first=1)
    training = begin(tmp_path / "run", file, ppo=ppo)
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(5, 153)).astype(np.float32)
    assert acts(training, seen) == pytest.approx(shipped.actor(5)(seen), abs=1e-4)
    weights = {n: p.clone() for n, p in training.algorithm.policy.named_parameters()}

    training.iterate()
    changed = moved(training, weights)
    assert changed
    assert all("value" in name for name in changed)  # the critic alone
    training.iterate()
    assert any("policy_net" in name for name in moved(training, weights))
    training.close()


def acts(training: Training, seen: Array) -> Array:
    policy = training.algorithm.policy
    size = policy.observation_space.shape[0]
    observations = torch.from_numpy(np.pad(seen, ((0, 0), (0, size - seen.shape[1]))))
    features = policy.features_extractor(observations)
    return policy.mean_action(features).detach().numpy()


def moved(training: Training, before: dict[str, torch.Tensor]) -> list[str]:
    now = training.algorithm.policy.named_parameters()
    return [name for name, value in now if not torch.equal(before[name], value)]


@pytest.mark.parametrize(
    ("task", "options", "reason"),
    [
        ("VehicleTrack", [], "other observations"),
        ("HumanoidVelocity", ["--ppo.actor-layers", "32"], "another shape"),
        ("HumanoidVelocity", ["--algorithm", "sac"], "cannot start from a policy file"),
    ],
)
def test_a_policy_file_that_does_not_fit_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    task: str,
    options: list[str],
    reason: str,
) -> None:
    file = tmp_path / "shipped.onnx"
    file.write_bytes(PolicyFile.committed("HumanoidVelocity").model)
    words = ["train", task, "--initial", str(file), "--num-envs", "8"]
    assert sim2edge([*words, "--run-dir", str(tmp_path / "run"), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert reason in error
    assert "\n" not in error


def test_the_policy_tells_all_it_took(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = short(run, initial=trained)
    assert train.main(config) == 0
    first, second = (PolicyFile.find(path).contract.provenance for path in (trained, run))
    assert second.steps == 4 * ITERATION
    assert second.train_seconds > first.train_seconds
    assert second.command.startswith(f"{first.command} && ")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--ppo.actor-layers", "32"], "another shape"),
        (["--algorithm", "sac"], "--algorithm"),
        (["--ppo.symmetry", "-1"], "--ppo.symmetry"),
    ],
)
def test_what_does_not_fit_is_refused(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    complaint: str,
) -> None:
    words = ["train", "HumanoidVelocity", "--initial", str(trained), "--num-envs", "8"]
    assert sim2edge([*words, "--run-dir", str(tmp_path / "run"), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error
    assert "\n" not in error


def test_a_run_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "HumanoidVelocity", "--initial", str(tmp_path / "none"), "--run-dir"]
    assert sim2edge([*words, str(tmp_path / "run")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_robot_without_sides_has_no_symmetry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "VehicleTrack", "--ppo.symmetry", "1", "--num-envs", "8", "--run-dir"]
    assert sim2edge([*words, str(tmp_path / "run")]) == 2
    assert "--ppo.symmetry" in capsys.readouterr().err
