"""The same rough ground in both engines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pybullet
import pytest

from sim.engines.bullet.ground_bodies import group_geoms, load_ground
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.task import WalkingTask
from sim.terrain.ground import on_terrain
from sim.terrain.terrain import Terrain, TerrainConfig

TERRAIN = TerrainConfig(("slope", "steps", "rough"), levels=2, curriculum=False)


@pytest.fixture
def options() -> dict[str, int]:
    return {"physicsClientId": pybullet.connect(pybullet.DIRECT)}


def test_it_is_as_high_in_bullet(options: dict[str, int], tmp_path: Path) -> None:
    task = find_task("HumanoidVelocity")
    model = on_terrain(task.robot.spec(), TERRAIN)
    geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == 0]
    for number, group in enumerate(group_geoms(model, geoms)):
        load_ground(model, group, tmp_path / f"{number}.urdf", options)
    pybullet.performCollisionDetection(**options)
    terrain, rng = Terrain(TERRAIN), np.random.default_rng(0)
    origins = [terrain.origin(np.array(k), np.array(level)) for k in range(3) for level in (0, 1)]
    places = np.concatenate([o + rng.uniform(-11.0, 11.0, (200, 2)) for o in origins])
    above = np.concatenate([places, np.full((len(places), 1), 2.0)], axis=1)
    below = above * [1.0, 1.0, -1.0]
    batches = zip(np.array_split(above, 4), np.array_split(below, 4))
    hits = [hit for a, b in batches for hit in pybullet.rayTestBatch(a, b, **options)]
    apart = np.abs(np.array([hit[3][2] for hit in hits]) - terrain.height(places))
    assert np.quantile(apart, 0.97) < 1e-4  # beside the edges of stones and steps
    assert apart.max() < 0.022
    pybullet.disconnect(**options)


@pytest.mark.parametrize("engine", ["mujoco", "bullet"])
def test_robots_stand_on_it(engine: str) -> None:
    task: HumanoidVelocity = replace(find_task("HumanoidVelocity"), terrain=TERRAIN)
    env = TaskVectorEnv(task.nominal(), 6, threads=1, engine=engine)
    try:
        env.reset(seed=0)
        walking = env.task
        assert isinstance(walking, WalkingTask)
        assert walking.ground.curriculum.level.any()
        for _ in range(25):
            env.step(np.zeros(env.action_space.shape, np.float32))
            assert -0.03 < walking.now.foot_height.min() < walking.now.foot_height.max() < 0.2
            assert not walking.fallen.any()
        assert (walking.now.foot_force.sum(axis=1) > 0.3 * walking.now.robot.weight).mean() > 0.8
    finally:
        env.close()
