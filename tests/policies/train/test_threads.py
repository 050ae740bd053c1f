"""The same seed gives the same bits on however many cores and physics threads."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from policies.commands import train
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import ITERATION, short

CORES = sorted(os.sched_getaffinity(0))
SIZE = ("--steps", "4096", "--num-envs", "64", "--ppo.horizon", "32", "--ppo.epochs", "2")
SIZE += ("--sac.learning-starts", "2048", "--sac.gradient-steps", "1")


def command(cores: list[int], *words: str) -> None:
    """Runs sim2edge in a process that sees these cores alone, and chooses its threads itself."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-m", "sim2edge", *words],
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr


def tensors(value: Any, name: str = "") -> dict[str, torch.Tensor]:
    """All arrays within what a checkpoint holds, by their place."""
    if isinstance(value, torch.Tensor):
        return {name: value}
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list | tuple) else items
    return {key: of for k, v in items for key, of in tensors(v, f"{name}.{k}").items()}


@pytest.mark.skipif(len(CORES) < 2, reason="one core")
@pytest.mark.parametrize(("algorithm", "threads"), [("ppo", "3"), ("sac", "0")])
@pytest.mark.slow
def test_training_gives_the_same_bits_on_one_core_and_on_two(
    algorithm: str, threads: str, tmp_path: Path
) -> None:
    found = []
    for count, physics in ((1, "0"), (2, threads)):
        run = tmp_path / str(count)
        where = ("--run-dir", str(run), "--threads", physics)
        command(CORES[:count], "train", "VehicleTrack", "--algorithm", algorithm, *SIZE, *where)
        checkpoint = torch.load(run / "checkpoint.pt", weights_only=False)
        found.append({**tensors(checkpoint["parameters"]), **tensors(checkpoint["env"], "env")})
        record = json.loads((run / "run.json").read_text())
        assert record["threads"] == {"physics": int(physics) or count, "learning": 2}
    one, two = found
    assert one.keys() == two.keys()
    assert len(one) > 20
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


@pytest.mark.slow
@pytest.mark.skipif(len(CORES) < 2, reason="one core")
def test_an_evaluation_gives_the_same_bits_on_one_core_and_on_two(tmp_path: Path) -> None:
    found = []
    for count in (1, 2):
        result = tmp_path / f"{count}.json"
        short = ("--episodes", "40", "--seconds", "1", "--json", str(result))
        command(CORES[:count], "eval", "VehicleTrack", *short)
        found.append(json.loads(result.read_text())["engines"])
    assert found[0] == found[1]


def test_a_run_is_resumed_with_its_threads_for_learning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train.main(short(run, "VehicleTrack")) == 0
    resumed = ["train", "--resume", str(run), "--steps", str(3 * ITERATION), "--threads"]
    assert sim2edge([*resumed, "2"]) == 0
    record = json.loads((run / "run.json").read_text())
    assert record["threads"] == {"physics": 2, "learning": 1}
    assert sim2edge([*resumed, "1", "--learning-threads", "2"]) == 2
    assert "another --learning-threads" in capsys.readouterr().err
