"""An algorithm of another package trains by its name, with settings of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from edge_runtime.policy.inference import Policy
from policies.train.algorithms import ALGORITHMS, Algorithm, PPOLearner
from policies.train.run_folder import RunFolder
from sim2edge.__main__ import main


@dataclass(frozen=True)
class CautiousConfig:
    """Settings of the algorithm below."""

    caution: float = 0.5
    """Share of the clip range that is used."""


class CautiousPPO(PPOLearner):
    settings: ClassVar[Any] = CautiousConfig()

    def make(self, common: dict[str, Any]) -> Algorithm:
        algorithm = super().make(common)
        algorithm.clip_ratio *= self.config.settings.caution
        made.append(algorithm.clip_ratio)
        return algorithm


made: list[float] = []
SHORT = ["--num-envs=4", "--ppo.horizon=8", "--ppo.minibatch=16", "--ppo.epochs=1", "--threads=1"]


@pytest.fixture
def cautious() -> Iterator[None]:
    ALGORITHMS.register("cautious")(CautiousPPO)
    yield
    ALGORITHMS._registered.clear()
    ALGORITHMS._found.clear()


@pytest.mark.usefixtures("cautious")
def test_it_trains_and_resumes_with_its_settings(tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = ("--algorithm", "cautious", "--settings.caution", "0.25", "--run-dir", str(run))
    assert main(["train", "VehicleTrack", *SHORT, *asked, "--steps", "32"]) == 0
    assert RunFolder(run).config.settings == CautiousConfig(0.25)
    assert Policy.load(run / "policy.onnx").contract.provenance.algorithm == "cautious"
    assert main(["train", "--resume", str(run), "--steps", "64"]) == 0
    assert made == [pytest.approx(0.05)] * 2


def test_an_unknown_one_gets_a_suggestion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    assert main(["train", "VehicleTrack", "--algorithm", "poo", "--run-dir", run]) == 2
    assert "unknown algorithm 'poo'; did you mean 'ppo'?" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
