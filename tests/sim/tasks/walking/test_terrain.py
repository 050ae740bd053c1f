"""The walking task on rough ground."""

import hashlib
import importlib.resources
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from policies.evaluation.policy_file import PolicyFile
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.task import WalkingTask
from sim.terrain.terrain import Kind, TerrainConfig

ALL: tuple[Kind, ...] = ("slope", "steps", "rough")


def config(*kinds: Kind, curriculum: bool = False) -> HumanoidVelocity:
    task: HumanoidVelocity = find_task("HumanoidVelocity")
    return replace(task, terrain=TerrainConfig(kinds, levels=3, curriculum=curriculum))


def made(
    task: HumanoidVelocity, rows: int = 12, seed: int = 0
) -> tuple[TaskVectorEnv, WalkingTask]:
    env = TaskVectorEnv(task, rows, seed=seed, threads=1)
    env.reset(seed=seed)
    assert isinstance(env.task, WalkingTask)
    return env, env.task


def test_robots_start_on_their_patches_with_their_feet_on_the_ground() -> None:
    env, task = made(config(*ALL), rows=60)
    levels, kinds = task.ground.curriculum.level, task.ground.curriculum.kind
    assert {*levels.tolist()} == {0, 1, 2}
    assert (np.abs(env.engine.qpos[:, 0] - 60 * levels) <= 3).all()
    assert (np.abs(env.engine.qpos[:, 1] - 60 * kinds) <= 3).all()
    feet = task.ground.above(task.now.foot_position)
    assert feet.min() > -0.02 and feet.max() < 0.13
    assert task.now.foot_position[:, :, 2].max() > 0.1  # or this would be flat ground


def test_they_stand_there_for_a_second_and_nothing_is_thrown() -> None:
    env, task = made(config(*ALL).nominal(), rows=30)  # type: ignore[arg-type]
    env.operator = np.zeros((30, 3), np.float32)
    for _ in range(50):
        env.step(np.zeros(env.action_space.shape, np.float32))
        assert not task.engine.diverged.any()
        assert task.now.foot_height.min() > -0.03
    touching = task.now.contact.any(axis=1)
    assert touching.mean() > 0.8


def test_heights_and_falls_are_measured_from_the_ground_below() -> None:
    env, task = made(config("slope").nominal(), rows=4)  # type: ignore[arg-type]
    ridge = np.array([3.0, 0.0])  # of the first patch
    high = 3.0 * np.tan(0.0873 / 3)
    qpos = np.tile(env.engine.model.qpos0, (4, 1))
    qpos[:, :2], qpos[:, 2] = ridge, [0.78, 0.44, 0.78 + high, 0.44 + high]
    env.engine.reset(
        np.arange(4), qpos, np.zeros((4, env.engine.model.nv)), constants_changed=False
    )
    task._observe_all()
    np.testing.assert_allclose(task.now.height + high, env.engine.qpos[:, 2] + 0.03, atol=1e-9)
    assert task.fallen.tolist() == [False, True, False, False]
    env.task.privileged(env.privileged)
    np.testing.assert_allclose(env.privileged[:, 6], task.now.height, atol=1e-6)


def test_the_friction_of_all_ground_is_randomized_alike() -> None:
    env, _ = made(config("steps"), rows=6)
    model = env.engine.model
    ground = [model.geom(name).id for name in env.config.ground]
    friction = env.engine.field("geom_friction")[:, ground, 0]
    assert (friction == friction[:, :1]).all()
    assert len({*friction[:, 0].tolist()}) == 6


def test_goes_on_bit_equal_from_a_state() -> None:
    def digest(env: TaskVectorEnv) -> str:
        rng, text = np.random.default_rng(7), hashlib.sha256()
        for _ in range(60):  # robots fall in it, and start elsewhere
            observation, reward, *_ = env.step(rng.normal(0, 3, env.action_space.shape))
            text.update(observation.tobytes() + reward.tobytes() + env.privileged.tobytes())
        return text.hexdigest()

    env, task = made(config(*ALL, curriculum=True))
    for _ in range(30):
        env.step(np.zeros(env.action_space.shape, np.float32))
    task.ground.curriculum.level[:] = 2
    state = env.state()
    first = digest(env)
    again, _ = made(config(*ALL, curriculum=True), seed=1)
    again.restore(state)
    assert digest(again) == first


def test_falls_lead_to_easier_ground() -> None:
    env, task = made(config(*ALL, curriculum=True))
    task.ground.curriculum.level[:] = 2
    rng = np.random.default_rng(0)
    for _ in range(150):
        env.step(rng.normal(0, 5, env.action_space.shape).astype(np.float32))
    assert task.ground.curriculum.level.max() < 2


def test_a_policy_that_walks_gets_to_harder_ground() -> None:
    task = replace(config(*ALL, curriculum=True).nominal(), episode_seconds=4.0)
    env, walking = made(task, rows=6)  # type: ignore[arg-type]
    env.operator = np.tile(np.float32([0.5, 0.0, 0.0]), (6, 1))
    policy = Path(str(importlib.resources.files("assets") / "policies" / "HumanoidVelocity.onnx"))
    act = PolicyFile.find(policy).actor(6)
    observation, _ = env.reset(seed=0)
    for _ in range(2 * env.max_steps):
        observation, *_ = env.step(act(observation))
    assert np.median(walking.ground.curriculum.level) == 2
    np.testing.assert_array_equal(env.metrics["terrain_level"].shape, (6,))


@pytest.mark.parametrize("seed", [0, 3])
def test_evaluation_has_ground_that_no_training_has(seed: int) -> None:
    task = config(*ALL, curriculum=True)
    unseen = task.unseen(seed).terrain
    assert unseen.seed != task.terrain.seed and not unseen.curriculum
    assert unseen.kinds == ALL


def test_it_is_drawn() -> None:
    env, _ = made(config("steps"), rows=2)
    names = {geom.name for geom in env.scene(1).geoms}
    assert set(env.config.ground) <= names
