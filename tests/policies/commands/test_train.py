import copy
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from policies.commands import train
from policies.train.run_folder import RunFolder, load_checkpoint
from policies.train.training import Training
from sim2edge.__main__ import main as sim2edge
from tests.policies.conftest import ITERATION, checkpoint, differences, short

IMPOSSIBLE = [
    ("--num-envs", "0"),
    ("--steps", "-1"),
    ("--seed", "-1"),
    ("--seed", str(2**32)),
    ("--minutes", "nan"),
    ("--threads", "-1"),
    ("--task.practice.episode-seconds", "0"),
    ("--task.control-period", "0"),
    ("--task.episode-seconds", "-20"),
    ("--task.command.forward", "1", "-1"),
    ("--checkpoint-seconds", "-1"),
    ("--ppo.gamma", "1.01"),
    ("--ppo.gamma", "nan"),
    ("--ppo.gae-lambda", "-0.1"),
    ("--ppo.gae-lambda", "2"),
    ("--ppo.clip-range", "0"),
    ("--ppo.clip-range", "20"),
    ("--ppo.learning-rate", "inf"),
    ("--ppo.desired-kl", "0"),
    ("--ppo.entropy", "-1"),
    ("--ppo.value", "-1"),
    ("--ppo.max-grad-norm", "0"),
    ("--ppo.initial-log-std", "nan"),
    ("--ppo.actor-layers", "0"),
    ("--sac.gamma", "1.01"),
    ("--sac.tau", "0"),
    ("--sac.tau", "1.5"),
    ("--sac.learning-starts", "-1"),
    ("--sac.buffer-size", "8", "--algorithm", "sac"),
]


def test_training_changes_the_weights_and_fills_the_run_folder(trained: Path) -> None:
    names = {path.name.partition(".")[0] for path in trained.iterdir()}
    assert names >= {"config", "run", "checkpoint", "policy", "events"}
    record = json.loads((trained / "run.json").read_text())
    assert record["seed"] == 0
    assert record["versions"]["torch"]
    assert "cores" in record["hardware"]
    state = checkpoint(trained)
    assert state["counters"]["num_timesteps"] == 2 * ITERATION
    weights = state["parameters"]["policy"]
    assert np.unique(weights["log_std"]).size > 1  # all alike before the first update
    assert weights["features_extractor.normalizer.count"] == 2 * ITERATION


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "tqc"])
def test_a_resumed_training_equals_one_that_never_stopped(algorithm: str, tmp_path: Path) -> None:
    # Off-policy iterations are longer: 32 control steps; the second one has updates in it.
    half = 2 * ITERATION if algorithm == "ppo" else 8 * 32
    through, stopped = tmp_path / "through", tmp_path / "stopped"
    train.main(short(through, algorithm=algorithm, steps=2 * half))
    train.main(short(stopped, algorithm=algorithm, steps=half))
    at_half = checkpoint(stopped)
    train.main(short(stopped, algorithm=algorithm, steps=2 * half, resume=stopped))
    assert differences(checkpoint(through), checkpoint(stopped)) == []
    weights = differences(at_half["parameters"], checkpoint(stopped)["parameters"])
    assert any("policy" in place for place in weights)


def test_the_same_seed_gives_the_same_policy_and_another_seed_another(
    trained: Path, tmp_path: Path
) -> None:
    train.main(short(tmp_path / "again"))
    train.main(short(tmp_path / "other", seed=1))
    once, again, other = (
        checkpoint(run)["parameters"]["policy"]
        for run in (trained, tmp_path / "again", tmp_path / "other")
    )
    assert differences(once, again) == []
    assert differences(once, other)


def test_the_vehicle_and_the_reference_task_train_too(tmp_path: Path) -> None:
    for task in ("VehicleTrack", "Humanoid-v5"):
        assert train.main(short(tmp_path / task, task)) == 0
    assert (tmp_path / "VehicleTrack" / "policy.onnx").exists()
    assert not (tmp_path / "Humanoid-v5" / "policy.onnx").exists()  # there is no such robot


def test_tqc_learns_exports_and_is_evaluated(tmp_path: Path) -> None:
    run, result = tmp_path / "run", tmp_path / "result.json"
    config = short(run, algorithm="tqc")
    training = Training(config, RunFolder.create(run, config, {}))
    before = copy.deepcopy(training.algorithm.policy.state_dict())
    for _ in range(2):  # of 32 control steps; updates begin after 16 of the first
        training.iterate()
    training.save()
    training.close()
    after = training.algorithm.policy.state_dict()
    for name in ("actor.mu.weight", "critic.qf0.0.weight", "critic_target.qf0.0.weight"):
        assert (before[name] != after[name]).any(), name
    assert len(after["critic.qf0.4.weight"]) == 25  # quantiles, which make it TQC
    assert sim2edge(["export", str(run)]) == 0
    words = ["eval", str(run / "policy.onnx"), "--episodes", "2", "--seconds", "0.4"]
    assert sim2edge([*words, "--json", str(result)]) == 0
    assert json.loads(result.read_text())["result"]["episode_seconds"] > 0


def test_a_time_limit_stops_and_saves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert train.main(short(run, minutes=1e-9)) == 0
    assert f"sim2edge train --resume {run}" in capsys.readouterr().out


def test_a_training_that_diverges_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    common = ["--num-envs", "8", "--ppo.horizon", "8", "--ppo.minibatch", "32"]
    common += ["--ppo.learning-rate", "1e30", "--ppo.desired-kl", "None", "--run-dir", str(run)]
    assert sim2edge(["train", "HumanoidVelocity", *common]) == 2
    error = capsys.readouterr().err.strip()
    assert "diverged" in error
    assert error.count("\n") == 0
    assert not (run / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_ends_the_iteration_and_saves(number: signal.Signals, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "sim2edge", "train", "HumanoidVelocity", "--num-envs", "8"]
    command += ["--ppo.horizon", "8", "--ppo.minibatch", "32", "--run-dir", str(run)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("steps"):
            break
    process.send_signal(number)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert f"sim2edge train --resume {run}" in rest
    state = load_checkpoint(run / "checkpoint.pt")
    assert state["counters"]["num_timesteps"] % 64 == 0


def test_a_full_disk_leaves_the_previous_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train.main(short(run))
    before = (run / "checkpoint.pt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond this; the log stays below it, the checkpoint does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        code = sim2edge(["train", "--resume", str(run), "--steps", str(3 * ITERATION)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert error.count("\n") == 0
    assert "the last checkpoint is whole" in error
    assert f"--resume {run}" in error
    assert (run / "checkpoint.pt").read_bytes() == before
    assert not [path for path in run.iterdir() if path.name.startswith(".")]
    # Once there is room again, nothing is lost.
    through = tmp_path / "through"
    train.main(short(through, steps=3 * ITERATION))
    assert sim2edge(["train", "--resume", str(run)]) == 0
    assert differences(checkpoint(through), checkpoint(run)) == []


def test_the_config_of_a_run_trains_the_same_again(trained: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    words = ["train", "--config", str(trained / "config.json"), "--run-dir", str(again)]
    assert sim2edge(words) == 0
    first, second = (json.loads((run / "config.json").read_text()) for run in (trained, again))
    assert {**first, "run_dir": str(again)} == second
    assert differences(checkpoint(trained), checkpoint(again)) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["train"], "which task"),
        (["train", "Nonsense"], "unknown task 'Nonsense'"),
        (["train", "HumanoidVelocity", "--nonsense", "1"], "--nonsense"),
        (["train", "HumanoidVelocity", "--algorithm", "dqn"], "dqn"),
        (["train", "HumanoidVelocity", "--task.gait-steps", "few"], "few"),
        *((["train", "HumanoidVelocity", *bad], bad[0]) for bad in IMPOSSIBLE),
        (["train", "HumanoidVelocity", "--run-dir", "/proc/nowhere"], "/proc/nowhere"),
        (["train", "--resume", "{here}"], "is not a run folder"),
        (["train", "--resume", "{here}/nothing"], "does not exist"),
        (["train", "--resume", "{trained}", "--seed", "5"], "--seed"),
        (["train", "--resume", "{trained}", "--task.gait-steps", "50"], "--task"),
        (["train", "HumanoidVelocity", "--run-dir", "{trained}"], "holds a run already"),
        (["train", "VehicleTrack", "--config", "{trained}/config.json"], "not of VehicleTrack"),
        (["train", "--config", "{trained}/run.json"], "run.json is not a training's config"),
        (["train", "--resume", "{trained}", "--config", "{trained}/config.json"], "leave out"),
        (["train", "--config", "{trained}/config.json", "--seed", "-1"], "--seed is -1"),
    ],
)
def test_a_users_mistake_gets_one_line(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    here = [word.format(here=tmp_path, trained=trained) for word in words]
    assert sim2edge(here) == 2
    assert list(tmp_path.iterdir()) == []  # no run was started
    error = capsys.readouterr().err.strip()
    assert complaint in error
    assert error.count("\n") == 0


@pytest.mark.parametrize("damage", ["truncated", "foreign", "gone", "empty"])
def test_a_damaged_checkpoint_is_refused(
    damage: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("config.json", "run.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    content = (trained / "checkpoint.pt").read_bytes()
    broken = {"truncated": content[:-1000], "foreign": b"something else", "empty": b""}
    if damage in broken:
        (tmp_path / "checkpoint.pt").write_bytes(broken[damage])
    for command in (["train", "--resume"], ["export"], ["eval"]):
        assert sim2edge([*command, str(tmp_path)]) == 2
        error = capsys.readouterr().err.strip()
        assert "checkpoint.pt" in error
        assert error.count("\n") == 0


def test_a_checkpoint_cannot_run_code(tmp_path: Path, trained: Path) -> None:
    import torch

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "evil"),)

    (tmp_path / "config.json").write_bytes((trained / "config.json").read_bytes())
    torch.save({"format": 1, "x": Evil()}, tmp_path / "checkpoint.pt")
    with pytest.raises(UserError):
        load_checkpoint(tmp_path / "checkpoint.pt")
    assert not (tmp_path / "evil").exists()


def test_a_changed_task_is_not_resumed(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((trained / "config.json").read_text())
    config["task"]["action_scale"] *= 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "checkpoint.pt").write_bytes((trained / "checkpoint.pt").read_bytes())
    assert sim2edge(["train", "--resume", str(tmp_path)]) == 2
    assert "has changed since" in capsys.readouterr().err
