"""The robot stands, its drives move their joints, and term and reward say what they mean."""

import numpy as np
from my_robot.robot import pup
from my_robot.task import PupTrot

from edge_runtime.observation.terms import TERMS
from sim.envs.vector_env import TaskVectorEnv


def test_it_stands_on_four_feet() -> None:
    env = TaskVectorEnv(PupTrot().nominal(), 2, threads=1)
    env.operator = np.zeros(3, np.float32)
    for _ in range(100):
        _, _, terminated, _, _ = env.step(np.zeros((2, 12), np.float32))
        assert not terminated.any()
    assert env.task.now.contact.all()
    assert 0.25 < env.task.now.height[0] < 0.32


def test_each_drive_moves_its_own_joint() -> None:
    count = len(pup().actuators)
    env = TaskVectorEnv(PupTrot().nominal(), count + 1, threads=1)
    env.step(np.eye(count + 1, count, dtype=np.float32))  # the last one holds its pose
    moved = env.task.now.joint_pos[:count] - env.task.now.joint_pos[count]
    assert (np.argmax(moved, axis=1) == np.arange(count)).all()


def test_the_term_says_how_much_a_foot_carries() -> None:
    load = TERMS.find("feet_load").function
    force = np.float32([[-3, 0, 20, 60]])
    np.testing.assert_allclose(load(force, half=20.0), [[0, 0, 0.5, 0.75]])


def test_the_reward_minds_a_foot_that_carries_too_much() -> None:
    env = TaskVectorEnv(PupTrot().nominal(), 1, threads=1)
    env.step(np.zeros((1, 12), np.float32))
    env.task.now.foot_force[:] = 0.7 * env.task.now.robot.weight
    terms = env.task.rewards(np.zeros((1, 12), np.float32))
    np.testing.assert_allclose(terms["even_load"], -0.5 * 0.02 * 4 * 0.1, rtol=1e-6)
