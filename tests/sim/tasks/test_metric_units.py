from dataclasses import replace

import pytest

from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.events import PushConfig
from sim.tasks.task import TaskConfig, find_robot_task
from sim.tasks.walking.config import HumanoidVelocity

# Shares, counts and yes or no.
PURE_NUMBERS = {"laps", "lapped", "left_track"}


@pytest.mark.parametrize(
    "task",
    [
        replace(HumanoidVelocity(), pushes=PushConfig(grow=True)),
        find_robot_task("VehicleTrack"),
    ],
    ids=lambda task: task.name,
)
def test_each_metric_has_its_unit_declared_and_each_unit_a_metric(task: TaskConfig) -> None:
    env = TaskVectorEnv(task, 1)
    measured = set(env.task.metrics())
    env.close()
    assert set(task.metric_units) == measured - PURE_NUMBERS
