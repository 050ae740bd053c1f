"""The peer driver laps every track without leaving, and near what the tyres allow."""

from dataclasses import replace

import numpy as np
import pytest

from policies.evaluation.pure_pursuit import PurePursuit, PurePursuitConfig
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.driving.task import DrivingTask

TASK = replace(VehicleTrack(tracks=24), start_speed=(4.0, 4.0), episode_seconds=60.0).unseen(5)
ROWS = 24


def first_lap(env: TaskVectorEnv, driver: PurePursuit) -> np.ndarray:
    """Seconds of each car's first lap; inf for those that never ended it, (N,)."""
    env.reset(seed=2)
    times, running = np.full(ROWS, np.inf), np.ones(ROWS, bool)
    for _ in range(1200):
        _, _, terminated, _, _ = env.step(driver.act())
        running &= ~terminated
        lapped = running & (env.metrics["lapped"] > 0)
        times[lapped] = env.metrics["lap_time"][lapped]
        running &= ~lapped
        if not running.any():
            break
    return times


@pytest.mark.slow
def test_laps_unseen_tracks_with_noise_and_randomization() -> None:
    env = TaskVectorEnv(TASK, ROWS, threads=2)
    assert isinstance(env.task, DrivingTask)
    times = first_lap(env, PurePursuit(env))
    assert np.isfinite(times).all()
    timid = first_lap(env, PurePursuit(env, PurePursuitConfig(grip=0.5)))
    assert (times < 0.96 * timid).all()
