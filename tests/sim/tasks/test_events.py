"""A push gives the robot the speed it promises, once, and ends."""

from dataclasses import replace

import numpy as np

from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.events import PushConfig
from sim.tasks.walking.config import HumanoidVelocity

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


def growing(rows: int = 200) -> TaskVectorEnv:
    push = PushConfig(interval=(0.1, 0.1), duration=0.02, speed=(0.0, 1.0), grow=True)
    return TaskVectorEnv(replace(HumanoidVelocity().nominal(), pushes=push), rows, threads=1)


def strongest(env: TaskVectorEnv) -> np.ndarray:
    env.step(np.zeros((env.num_envs, 19)))
    return env.metrics["push_speed"].copy()


def test_pushes_grow_for_those_who_stand_and_weaken_for_those_who_fall() -> None:
    env = growing(2)
    before = strongest(env)
    for _ in range(3):
        env.task.fallen[:] = [False, True]
        env._reset_rows(np.arange(2))
    after = strongest(env)
    assert after[0] > before[0]
    assert after[1] < before[1]
    for _ in range(30):
        env.task.fallen[:] = [False, True]
        env._reset_rows(np.arange(2))
    low, high = np.sort(strongest(env))
    assert high == 1.0
    assert low > 0.0


def test_no_push_is_stronger_than_it_may_be_and_most_are_near() -> None:
    env = growing()
    most = strongest(env)
    body = env.engine.model.body("torso").id
    given = []
    for _ in range(12):
        env.step(np.zeros((200, 19)))
        given.append(np.linalg.norm(env.engine.external_force[:, body, :2], axis=1))
    mass = env.engine.model.body_subtreemass[1]
    speed = np.max(given, axis=0) * 0.02 / mass
    assert (speed <= most + 1e-9).all()
    assert np.median(speed / most) > 0.6


def test_growth_goes_on_where_it_was_saved() -> None:
    env, other = growing(4), growing(4)
    env.task.fallen[:] = True
    env._reset_rows(np.arange(4))
    other.restore(env.state())
    np.testing.assert_array_equal(strongest(other), strongest(env))
