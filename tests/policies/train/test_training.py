import dataclasses
import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from torch.optim.optimizer import register_optimizer_step_post_hook

from policies.commands import train
from policies.train.learners.off_policy import OFF_POLICY_HORIZON
from policies.train.run_folder import RunFolder
from policies.train.training import StoppedError, Training
from tests.policies.conftest import ENVS, HORIZON, checkpoint, differences, short


@pytest.mark.parametrize("algorithm", ["ppo", "sac", pytest.param("tqc", marks=pytest.mark.slow)])
@pytest.mark.parametrize("late", [False, True], ids=["collecting", "updating"])
def test_an_iteration_stopped_midway_never_was(
    algorithm: str, late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second iteration has updates in it; the replay buffer is full before, so that it loses.
    length = HORIZON if algorithm == "ppo" else OFF_POLICY_HORIZON
    steps = 3 * ENVS * length
    sac = dataclasses.replace(short(tmp_path).sac, buffer_size=ENVS * 40)
    through, stopped = tmp_path / "through", tmp_path / "stopped"
    changes: dict[str, Any] = {"algorithm": algorithm, "steps": steps, "sac": sac}
    train.main(short(through, **changes))

    config = short(stopped, **changes)
    training = Training(config, RunFolder.create(stopped, config, {}))
    for _ in range(2):
        training.iterate()
    updates: list[int] = []
    asked = itertools.count()
    hook = register_optimizer_step_post_hook(lambda *_: updates.append(1))
    with pytest.raises(StoppedError):
        training.iterate(lambda: len(updates) > 1 if late else next(asked) == 4)
    hook.remove()
    assert training.steps == 2 * ENVS * length
    training.save()
    training.close()
    train.main(dataclasses.replace(config, resume=stopped))
    assert differences(checkpoint(through), checkpoint(stopped)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "number"),
    [
        ("ppo", signal.SIGINT),
        pytest.param("sac", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("tqc", signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_does_not_wait_for_the_iteration(
    algorithm: str, number: signal.Signals, tmp_path: Path
) -> None:
    """An iteration takes minutes here."""
    run = tmp_path / "run"
    command = [sys.executable, "-m", "sim2edge", "train", "VehicleTrack", "--num-envs", "8"]
    command += ["--algorithm", algorithm, "--run-dir", str(run)]
    command += [
        "--ppo.horizon",
        "100000",
        "--sac.gradient-steps",
        "100000",
        "--sac.learning-starts",
        "0",
    ]
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it would be ignored
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        signal.signal(number, before)
        assert process.stdout is not None
        process.stdout.readline()  # it trains
        time.sleep(1.0)
        asked = time.monotonic()
        process.send_signal(number)
        try:
            out, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert time.monotonic() - asked < 20.0
    assert "stopped after 0 of" in out
    assert f"sim2edge train --resume {run}" in out
    assert RunFolder(run).load()["counters"]["num_timesteps"] == 0
