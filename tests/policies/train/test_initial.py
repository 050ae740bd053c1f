"""A training that begins with what another has learnt."""

import dataclasses
from pathlib import Path

import pytest
import torch

from policies.commands import train
from policies.export.policy_file import PolicyFile
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


def test_the_policy_tells_all_it_took(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = short(run, initial=trained)
    assert train.main(config) == 0
    first, second = (PolicyFile.find(path).contract.provenance for path in (trained, run))
    assert second.steps == 4 * ITERATION
    assert second.train_seconds > first.train_seconds
    assert second.command.startswith(f"{first.command} && ")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--ppo.actor-layers", "32"], "another shape"),
        (["--algorithm", "sac"], "--algorithm"),
        (["--ppo.symmetry", "-1"], "--ppo.symmetry"),
    ],
)
def test_what_does_not_fit_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    words = ["train", "HumanoidVelocity", "--initial", str(trained), "--num-envs", "8"]
    assert sim2edge([*words, "--run-dir", str(tmp_path / "run"), *options]) == 2
    error = capsys.readouterr().err.strip()
    assert told in error
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
