"""A push gives the robot the speed it promises, once, and ends."""

from dataclasses import replace

import numpy as np

from sim.tasks.humanoid_velocity import HumanoidVelocity
from sim.terms.events import PushConfig
from sim.vector_env import TaskVectorEnv

PUSH = PushConfig(interval=(0.2, 0.3), duration=0.1, speed=(0.4, 0.4))


def forces(push: PushConfig, steps: int) -> np.ndarray:
    task = replace(HumanoidVelocity().nominal(), pushes=push)
    env = TaskVectorEnv(task, 4, threads=1)
    body = env.engine.model.body("torso").id
    seen = []
    for _ in range(steps):
        env.step(np.zeros((4, 19)))
        seen.append(env.engine.external_force[:, body, :3].copy())
    return np.array(seen)


def test_a_push_lasts_its_duration_and_carries_its_impulse() -> None:
    force = np.linalg.norm(forces(PUSH, 24), axis=2)
    mass = TaskVectorEnv(HumanoidVelocity(), 1, threads=1).engine.model.body_subtreemass[1]
    for row in force.T:
        on = np.flatnonzero(row)
        assert len(on) >= 5
        np.testing.assert_array_equal(on[:5], on[0] + np.arange(5))
        impulse = row[on[:5]].sum() * 0.02
        np.testing.assert_allclose(impulse, mass * 0.4, rtol=1e-6)


def test_pushes_can_be_switched_off() -> None:
    assert not forces(replace(PUSH, enabled=False), 24).any()
