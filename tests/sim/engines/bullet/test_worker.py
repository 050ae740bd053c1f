"""Bullet's processes: the same bits however many there are, and none left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.signals import Array
from sim.engines.bullet.bullet_engine import BulletEngine, WorkerDiedError
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task

pytest.importorskip("pybullet")


def make_env(task: str, rows: int = 3, processes: int = 1) -> TaskVectorEnv:
    return TaskVectorEnv(find_task(task), rows, seed=1, threads=processes, engine="bullet")


def roll(env: TaskVectorEnv, steps: int) -> Array:
    """Observations and rewards under the same actions each time, (steps, ...)."""
    rng = np.random.default_rng(0)
    shape = env.action_space.shape
    assert shape is not None
    seen = []
    for _ in range(steps):
        observations, reward, *_ = env.step(rng.uniform(-1, 1, shape).astype(np.float32))
        seen.append(np.concatenate([observations.ravel(), reward.ravel()]))
    return np.array(seen)


def processes_of(env: TaskVectorEnv) -> list[int]:
    engine = env.engine
    assert isinstance(engine, BulletEngine)
    return [worker.process.pid for worker in engine._workers]


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("task", ["HumanoidVelocity", "VehicleTrack"])
def test_tasks_run_unchanged_and_the_same_seed_gives_the_same_bits(task: str) -> None:
    """Whatever was simulated before, with one process or two, and from a saved state."""
    one, two = make_env(task), make_env(task, processes=2)
    try:
        one.reset(seed=5)
        roll(one, 3)
        one.reset(seed=7)
        two.reset(seed=7)
        first = roll(one, 6)
        assert np.isfinite(first).all()
        assert (first == roll(two, 6)).all()
        state = one.state()
        went_on = roll(one, 6)
        assert not (went_on == first).all()
        one.restore(state)
        assert (roll(one, 6) == went_on).all()
        two.restore(state)  # the state of another engine of the same size
        assert (roll(two, 6) == went_on).all()
    finally:
        one.close()
        two.close()


def test_names_the_simulations_of_a_process_that_died() -> None:
    env = make_env("VehicleTrack", 5, processes=2)
    second = processes_of(env)[1]
    os.kill(second, signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(WorkerDiedError, match="simulations 3 to 4 ended by signal 9") as died:
        roll(env, 2)
    assert time.monotonic() - started < 30
    assert isinstance(died.value, UserError)
    assert died.value.rows.tolist() == [3, 4]
    env.close()
    assert not any(lives(process) for process in processes_of(env))


def test_a_process_that_ends_before_its_work_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(subprocess.Popen[bytes]):
        def __init__(self, command: list[str], **options: Any) -> None:
            super().__init__([sys.executable, "-c", "exit('it is broken')"], **options)
            self.wait()

    monkeypatch.setattr("sim.engines.bullet.bullet_engine.subprocess.Popen", Ended)
    with pytest.raises(WorkerDiedError, match=r"ended with exit code 1 \(it is broken\)"):
        make_env("VehicleTrack", 1)


def test_does_not_wait_for_ever_for_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_env("VehicleTrack", 2, processes=2)
    monkeypatch.setattr("sim.engines.bullet.bullet_engine.ANSWER_TIMEOUT", 0.5)
    hung = processes_of(env)[0]
    os.kill(hung, signal.SIGSTOP)
    with pytest.raises(WorkerDiedError, match=r"simulation 0 gave no answer for 0\.5 s"):
        roll(env, 2)
    env.close()
    assert not any(lives(process) for process in processes_of(env))


def test_an_engine_that_is_forgotten_takes_its_processes_along() -> None:
    env = make_env("VehicleTrack", 2)
    processes = processes_of(env)
    assert all(lives(process) for process in processes)
    del env
    assert not any(lives(process) for process in processes)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_no_process_outlives_the_program(number: signal.Signals) -> None:
    """Ctrl-C, which reaches the whole group, or a sudden end of the program alone."""
    program = """
import numpy as np
from sim.tasks import find_task
from sim.envs.vector_env import TaskVectorEnv
env = TaskVectorEnv(find_task("VehicleTrack"), 4, threads=2, engine="bullet")
print(*(worker.process.pid for worker in env.engine._workers), flush=True)
while True:
    env.step(np.zeros((4, 2), np.float32))
"""
    running = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background ignores it, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert running.stdout is not None
    processes = [int(word) for word in running.stdout.readline().split()]
    assert len(processes) == 2
    time.sleep(0.3)
    if number == signal.SIGINT:
        os.killpg(running.pid, number)
    else:
        os.kill(running.pid, number)
    _, said = running.communicate(timeout=60)
    if number == signal.SIGINT:
        assert said.rstrip().endswith("KeyboardInterrupt")
    ended = time.monotonic() + 20
    while any(lives(process) for process in processes) and time.monotonic() < ended:
        time.sleep(0.05)
    assert not any(lives(process) for process in processes)
