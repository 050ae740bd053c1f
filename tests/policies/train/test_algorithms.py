"""An algorithm of another package trains by its name, with settings of its own."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from edge_runtime.errors import UserError
from edge_runtime.policy.inference import Policy
from policies.train.algorithms import ALGORITHMS
from policies.train.learners.off_policy import SACLearner
from policies.train.learners.ppo import PPOLearner
from policies.train.recipes import recipe
from policies.train.run_folder import RunFolder
from sim2edge.__main__ import main


@dataclass(frozen=True)
class CautiousConfig:
    """Settings of the algorithm below."""

    caution: float = 0.5
    """Share of the clip range that is used."""


class CautiousPPO(PPOLearner):
    settings: ClassVar[Any] = CautiousConfig()

    def make(self, common: dict[str, Any]) -> BaseAlgorithm:
        algorithm: Any = super().make(common)
        algorithm.clip_ratio *= self.config.settings.caution
        made.append(algorithm.clip_ratio)
        return algorithm


class PlainPPO(PPOLearner):
    """Makes Stable-Baselines3's own PPO, of which the trainer knows nothing."""

    def make(self, common: dict[str, Any]) -> BaseAlgorithm:
        return PPO(**common, n_steps=self.horizon, batch_size=16, n_epochs=1)


made: list[float] = []
SHORT = ["--num-envs=4", "--ppo.horizon=8", "--ppo.minibatch=16", "--ppo.epochs=1", "--threads=1"]


@pytest.fixture
def registered() -> Iterator[None]:
    ALGORITHMS.register("cautious")(CautiousPPO)
    ALGORITHMS.register("plain")(PlainPPO)
    yield
    ALGORITHMS._registered.clear()
    ALGORITHMS._found.clear()


@pytest.mark.usefixtures("registered")
def test_it_trains_and_resumes_with_its_settings(tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = ("--algorithm", "cautious", "--settings.caution", "0.25", "--run-dir", str(run))
    assert main(["train", "VehicleTrack", *SHORT, *asked, "--steps", "32"]) == 0
    assert RunFolder(run).config.settings == CautiousConfig(0.25)
    assert Policy.load(run / "policy.onnx").contract.provenance.algorithm == "cautious"
    assert main(["train", "--resume", str(run), "--steps", "64"]) == 0
    assert made == [pytest.approx(0.05)] * 2


class OtherLearner(SACLearner):
    """Makes another package's algorithm, whose settings are its own business."""

    def check(self) -> None:
        pass


def test_each_algorithm_judges_its_own_settings() -> None:
    config = dataclasses.replace(recipe("VehicleTrack"), num_envs=64)
    config = dataclasses.replace(
        config,
        sac=dataclasses.replace(config.sac, buffer_size=32),
        ppo=dataclasses.replace(config.ppo, horizon=1, minibatch=63),
    )
    with pytest.raises(UserError, match="--sac.buffer-size is 32; it must hold"):
        SACLearner(config).check()
    with pytest.raises(UserError, match="a rollout of 64 samples .* minibatches of 63"):
        PPOLearner(config).check()
    OtherLearner(config).check()


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_rollout_need_not_be_whole_minibatches(tmp_path: Path) -> None:
    asked = ("train", "VehicleTrack", *SHORT, "--ppo.minibatch=20", f"--run-dir={tmp_path / 'run'}")
    assert main([*asked, "--steps=32"]) == 0
    assert main(["train", "--resume", str(tmp_path / "run"), "--steps=64"]) == 0


@pytest.mark.usefixtures("registered")
def test_any_algorithm_resumes_to_the_same_bits(tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    asked = ("train", "VehicleTrack", *SHORT, "--algorithm=plain")
    assert main([*asked, f"--run-dir={whole}", "--steps=64"]) == 0
    assert main([*asked, f"--run-dir={parted}", "--steps=32"]) == 0
    assert main(["train", "--resume", str(parted), "--steps=64"]) == 0
    weights = [RunFolder(run).load()["parameters"]["policy"] for run in (whole, parted)]
    for name, array in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], array)
    assert Policy.load(parted / "policy.onnx").contract.provenance.algorithm == "plain"


def test_an_unknown_one_gets_a_suggestion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "VehicleTrack", "--algorithm", "poo", "--run-dir", run]) == 2
    assert "unknown algorithm 'poo'; did you mean 'ppo'?" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
