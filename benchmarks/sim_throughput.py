"""Measures the throughput of a whole task against bare physics, and of the reference task.

Task stepping does everything: observations, rewards, resets, randomization. Bare physics is
`mujoco.batch.Batch.step` on the same model from the same states with the same actuator inputs, for
the car together with the bare ray casts of its lidar.
"""

import statistics
import sys
from collections.abc import Callable
from typing import Any, cast

import envpool
import gymnasium
import numpy as np
from figures import Figure, interleaved, median_ratio, parse_arguments, report, seconds
from mujoco.batch import Batch

from sim.engines.mujoco_cpu import MujocoEngine
from sim.envs.vector_env import TaskVectorEnv
from sim.reference.humanoid_v5 import HumanoidV5, HumanoidV5VectorEnv
from sim.robots.vehicle import LIDAR_POSITION
from sim.sensors.lidar import Lidar
from sim.tasks.driving.task import DrivingTask
from sim.tasks.task import find_robot_task

SIMULATIONS = 256
THREADS = 2
WARM_UP = 30  # steps, until episodes have ended in some simulations


def task_against_physics(
    name: str, target: float, rounds: int, steps: int, *, rays: bool = False
) -> list[Figure]:
    """Compares task stepping with bare physics, both from every state that the task visits."""
    env = TaskVectorEnv(find_robot_task(name), SIMULATIONS, threads=THREADS, stagger=True)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    shape = env.action_space.shape
    assert shape is not None
    bare = _bare_physics(env, rays)
    for _ in range(WARM_UP):
        env.step(rng.uniform(-0.5, 0.5, shape).astype(np.float32))
    task_seconds, bare_seconds = [], []
    for _ in range(rounds):
        of_task = of_bare = 0.0
        for _ in range(steps):
            actions = rng.uniform(-0.5, 0.5, shape).astype(np.float32)
            of_bare += bare()
            of_task += seconds(lambda: env.step(actions))  # noqa: B023  runs at once
        task_seconds.append(of_task)
        bare_seconds.append(of_bare)
    per_second = SIMULATIONS * steps / statistics.median(task_seconds)
    peer = f"bare {SIMULATIONS * steps / statistics.median(bare_seconds):,.0f}"
    share = median_ratio(bare_seconds, task_seconds)
    return [
        Figure(f"{name}: share of bare physics", share, "x", target),
        Figure(f"{name}: control steps", per_second, "steps/s", peer=peer),
    ]


def _bare_physics(env: TaskVectorEnv, rays: bool) -> Callable[[], float]:
    """Times one control step's physics and ray casts from the task's present states."""
    engine = env.engine
    assert isinstance(engine, MujocoEngine)
    batch = Batch(engine.model, SIMULATIONS, THREADS)
    work: list[Callable[[], None]] = [lambda: batch.step(nstep=engine.substeps)]
    if rays:
        work.append(_bare_ray_casts(cast(DrivingTask, env.task)))

    def timed() -> float:
        batch.state[:] = engine.batch.state
        return seconds(lambda: [part() for part in work])

    return timed


def _bare_ray_casts(task: DrivingTask) -> Callable[[], None]:
    config, rows = task.config.lidar, np.arange(SIMULATIONS)
    lidar = Lidar(config, task.tracks, LIDAR_POSITION)
    ranges = np.zeros((SIMULATIONS, config.beams), np.float32)
    pose = task.engine.qpos[:, :7]
    return lambda: lidar.cast(rows, task.locator.track, task.position.index, pose, ranges)


def reference_task(rounds: int, steps: int) -> list[Figure]:
    """Compares Humanoid-v5 on this engine with EnvPool and Gymnasium's own vector environments."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-0.4, 0.4, (steps, SIMULATIONS, 17))
    ours = HumanoidV5VectorEnv(HumanoidV5(), SIMULATIONS, threads=THREADS)
    pool = envpool.make(
        "Humanoid-v5", env_type="gymnasium", num_envs=SIMULATIONS, num_threads=THREADS
    )
    environments: dict[str, tuple[Any, int]] = {
        "ours": (ours, SIMULATIONS),
        "EnvPool": (pool, SIMULATIONS),
        "Sync": (gymnasium.make_vec("Humanoid-v5", THREADS, vectorization_mode="sync"), THREADS),
        "Async": (gymnasium.make_vec("Humanoid-v5", THREADS, vectorization_mode="async"), THREADS),
    }
    runs = {}
    for name, (env, rows) in environments.items():
        env.reset()
        runs[name] = _stepping(env, actions[:, :rows])
        runs[name]()
    taken = interleaved(runs, rounds)
    for name in ("Sync", "Async"):
        environments[name][0].close()
    rows_of = {name: rows for name, (_, rows) in environments.items()}
    rate = {n: rows_of[n] * steps / statistics.median(taken[n]) for n in runs}
    better = max("Sync", "Async", key=lambda name: rate[name])

    def against(peer: str, target: float) -> Figure:
        ratio = median_ratio(taken[peer], taken["ours"]) * SIMULATIONS / rows_of[peer]
        return Figure(
            f"Humanoid-v5 against {peer}", ratio, "x", target, f"{rate[peer]:,.0f} steps/s"
        )

    return [
        Figure("Humanoid-v5", rate["ours"], "steps/s"),
        against("EnvPool", 1.8),
        against(better, 4.0),
    ]


def _stepping(env: Any, actions: np.ndarray) -> Callable[[], None]:
    def run() -> None:
        for action in actions:
            env.step(action)

    return run


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    rounds, steps = (3, 10) if arguments.quick else (9, 25)
    figures = [
        *task_against_physics("HumanoidVelocity", 0.85, rounds, steps),
        *task_against_physics("VehicleTrack", 0.8, rounds, steps, rays=True),
        *reference_task(rounds, steps),
    ]
    return report(figures, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
