"""Rewards of the same states on NumPy and on PyTorch."""

from dataclasses import fields

import numpy as np
import pytest
from array_namespace import ROUNDINGS, TASKS, every_weight, on_numpy, on_torch, state_of

from sim.envs.vector_env import TaskVectorEnv


@pytest.mark.parametrize("name", TASKS)
def test_a_tasks_rewards_are_the_same_on_pytorch(name: str) -> None:
    task, reward = TASKS[name]
    env = TaskVectorEnv(task, 16, threads=1, stagger=True)
    weights = every_weight(task)
    rng = np.random.default_rng(0)
    for _ in range(30):
        env.step(rng.uniform(-0.5, 0.5, env.action_space.shape).astype(np.float32))
        now = state_of(env)
        ours = reward.weighted(weights, now, task.control_period)
        theirs = on_numpy(reward.weighted(weights, on_torch(now), task.control_period))
        assert ours.keys() == theirs.keys() == {field.name for field in fields(weights)}
        for term, value in ours.items():
            assert value.dtype == theirs[term].dtype
            rounding = np.finfo(value.dtype).eps * np.abs(value).max()
            assert np.abs(value - theirs[term]).max() <= ROUNDINGS * rounding, term
            if name == "driving":
                np.testing.assert_array_equal(value, theirs[term])
