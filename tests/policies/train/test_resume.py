import dataclasses
import json
import shutil
import time
from pathlib import Path

import pytest

from policies.commands import train
from policies.train.run_folder import RunFolder
from policies.train.training import Training
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import ITERATION, practising, short


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    """A finished run that may be changed."""
    shutil.copytree(trained, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def resume(*words: object) -> int:
    return sim2edge(["train", *map(str, words)])


def contents(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.iterdir()}


def test_a_named_task_does_not_change_the_run(run: RunFolder) -> None:
    before, steps = run.config, 3 * ITERATION
    assert resume("HumanoidVelocity", "--resume", run.path, "--steps", steps) == 0
    assert run.config == dataclasses.replace(before, steps=steps)
    assert resume("HumanoidVelocity", f"--resume={run.path}") == 0
    assert run.config.steps == steps
    assert run.load()["counters"]["num_timesteps"] == steps


def test_a_run_that_does_not_say_its_threads_is_gone_on_with_and_named(
    run: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """As those of 0.1, whose learning took as many threads as there were cores."""
    assert resume("--resume", run.path, "--steps", 3 * ITERATION) == 0
    assert caplog.text == ""
    record = json.loads((run.path / "run.json").read_text())
    assert record.pop("threads")["learning"] == run.config.learning_threads
    (run.path / "run.json").write_text(json.dumps(record))
    config = json.loads((run.path / "config.json").read_text())
    del config["learning_threads"]
    (run.path / "config.json").write_text(json.dumps(config))
    assert resume("--resume", run.path, "--steps", 4 * ITERATION) == 0
    assert "does not say how many threads learned before" in caplog.text
    assert "threads" in run.record


def test_another_task_is_refused(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(run)
    assert resume("VehicleTrack", "--resume", run.path) == 2
    error = capsys.readouterr().err.strip()
    assert "is a training of HumanoidVelocity, not of VehicleTrack" in error
    assert error.count("\n") == 0
    assert contents(run) == before


def test_a_damaged_checkpoint_does_not_change_its_run(run: RunFolder) -> None:
    (run.path / "checkpoint.pt").write_bytes(b"something else")
    before = contents(run)
    assert resume("--resume", run.path, "--steps", 10 * ITERATION) == 2
    assert contents(run) == before


def test_what_is_practised_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run"
    practice = practising(0.1)  # episodes of five control steps
    assert train.main(dataclasses.replace(short(path), task=practice)) == 0
    assert resume("--resume", path, "--task.practice.episode-seconds", 1.0) == 2
    assert "--task" in capsys.readouterr().err
    assert resume("--resume", path, "--steps", 6 * ITERATION) == 0
    run = RunFolder(path)
    assert run.config.task == practice
    lengths = run.load()["statistics"]["episodes"][:, 1]
    assert len(lengths) > 8 * 6  # of eight simulations in 48 steps
    assert lengths.max() == 5


def test_setting_up_counts_as_training_time(run: RunFolder, tmp_path: Path) -> None:
    before = run.load()["train_seconds"]
    for folder, config, earlier in (
        (RunFolder(tmp_path / "new"), short(tmp_path / "new", "VehicleTrack"), 0.0),
        (run, dataclasses.replace(run.config, resume=run.path), before),
    ):
        started = time.monotonic()
        training = Training(config, folder)
        elapsed = time.monotonic() - started
        assert training.seconds == pytest.approx(earlier + elapsed, abs=0.1 * elapsed)
        training.close()
