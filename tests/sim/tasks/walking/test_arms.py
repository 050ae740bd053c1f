"""Loaded hands weigh what they carry; arms that are off their target are off by what is said."""

from dataclasses import replace

import numpy as np

from sim.envs.vector_env import TaskVectorEnv
from sim.robots.humanoid import LEGS
from sim.tasks.walking.arms import ArmConfig
from sim.tasks.walking.config import HumanoidVelocity
from tests.sim.tasks.test_randomization import OFF

ROWS = 40


def environment(arms: ArmConfig, rows: int = ROWS) -> TaskVectorEnv:
    return TaskVectorEnv(replace(HumanoidVelocity(), arms=arms, randomization=OFF), rows, threads=1)


def hands(env: TaskVectorEnv) -> np.ndarray:
    """kg that each hand carries, (N, 2)."""
    bodies = [env.engine.model.body(name).id for name in LEGS.hands]
    return env.engine.field("body_mass")[:, bodies] - env.engine.model.body_mass[bodies]


def offsets(env: TaskVectorEnv) -> np.ndarray:
    """rad by which each actuator's force is that of another target, (N, A)."""
    gain = env.engine.field("actuator_gainprm")[:, :, 0]
    return env.engine.field("actuator_biasprm")[:, :, 0] / gain


def test_a_hand_carries_or_the_arms_are_elsewhere() -> None:
    env = environment(ArmConfig(hand_mass=(0.5, 1.5), offset=0.3))
    load, off = hands(env), offsets(env)
    carries = load.max(axis=1) > 0.4
    assert 0 < carries.sum() < ROWS
    assert (np.count_nonzero(load[carries] > 1e-9, axis=1) == 1).all()
    assert load.max() <= 1.5
    assert not off[carries].any()
    moved = [k for k, a in enumerate(env.config.robot.actuators) if a.name.endswith(LEGS.arms)]
    assert (np.abs(off[~carries][:, moved]) > 0).all()
    assert np.abs(off).max() <= 0.3
    assert not np.delete(off, moved, axis=1).any()


def test_each_episode_begins_with_arms_as_new() -> None:
    env = environment(ArmConfig(hand_mass=(1.5, 1.5), offset=0.3))
    for _ in range(5):
        env._reset_rows(np.arange(ROWS))
    assert hands(env).max() < 1.5 + 1e-9
    assert np.abs(offsets(env)).max() <= 0.3


def test_without_it_nothing_is_drawn() -> None:
    env = environment(ArmConfig())
    assert not offsets(env).any()
    np.testing.assert_allclose(hands(env), 0.0, atol=1e-12)
