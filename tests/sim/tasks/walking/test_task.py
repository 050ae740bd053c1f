"""The walking task: what it rewards, when it ends, what it starts from."""

from dataclasses import fields, replace

import numpy as np
import pytest

from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.rewards import WalkingRewards, reward
from sim.tasks.walking.stride import Stride
from sim.tasks.walking.task import WalkingTask


def environment(rows: int = 2, **changes: object) -> tuple[TaskVectorEnv, WalkingTask]:
    env = TaskVectorEnv(replace(HumanoidVelocity().nominal(), **changes), rows, threads=1)
    assert isinstance(env.task, WalkingTask)
    return env, env.task


def test_every_weight_names_a_term_and_every_term_has_a_weight() -> None:
    assert {f.name for f in fields(WalkingRewards)} == set(reward.functions)


def test_standing_still_on_zero_command_earns_nearly_all_there_is() -> None:
    env, task = environment()
    env.signals["command"][:] = 0
    for _ in range(10):
        env.step(np.zeros((2, 19)))
        env.signals["command"][:] = 0
    weights = task.config.rewards
    positive = weights.track_velocity + weights.track_yaw_rate + weights.alive
    earned = sum(env.reward_terms[n] for n in ("track_velocity", "track_yaw_rate", "alive"))
    assert (earned > 0.95 * positive * env.config.control_period).all()
    assert not task.now.moving.any()


def test_a_fallen_robot_ends_its_episode_for_good() -> None:
    env, _ = environment()
    env.engine.qpos[1, 3:7] = [np.cos(0.6), np.sin(0.6), 0, 0]
    env.engine.qpos[1, 2] = 0.6
    _, _, terminated, truncated, info = env.step(np.zeros((2, 19)))
    np.testing.assert_array_equal(terminated, [False, True])
    assert not truncated.any()
    assert info["_final_obs"].tolist() == [False, True]


def test_a_diverged_simulation_ends_its_episode_for_good() -> None:
    """MuJoCo puts it back upright in its initial state, as if nothing had happened."""
    env, _ = environment()
    env.engine.qvel[1] = 1e12
    _, reward, terminated, _, info = env.step(np.zeros((2, 19)))
    np.testing.assert_array_equal(terminated, [False, True])
    assert np.isfinite(reward).all()
    assert np.isfinite(info["final_obs"]).all()
    assert not env.step(np.zeros((2, 19)))[2].any()


def test_velocities_are_in_the_heading_frame() -> None:
    """Turned by 90°, moving along the world's y is moving forward."""
    env, task = environment()
    env.engine.qpos[:, 3:7] = [np.cos(np.pi / 4), 0, 0, np.sin(np.pi / 4)]
    env.engine.qvel[:, 1] = 1.0
    env.step(np.zeros((2, 19)))
    np.testing.assert_allclose(task.now.velocity[:, 0], 1.0, atol=0.2)
    np.testing.assert_allclose(task.now.velocity[:, 1], 0.0, atol=0.1)


def test_the_clock_lifts_one_foot_after_the_other() -> None:
    env, task = environment(gait_steps=20)
    swings = []
    for _ in range(20):
        env.signals["command"][:] = [0.5, 0, 0]
        env.step(np.zeros((2, 19)))
        swings.append(task.now.is_swing[0].copy())
    swings = np.array(swings)
    assert not swings.all(axis=1).any()
    assert swings[:, 0].sum() == pytest.approx(swings[:, 1].sum(), abs=1)
    assert swings.sum() > 10


def test_a_sway_of_one_stride_is_no_error_and_a_drift_is() -> None:
    stride = Stride(36, rows=1)
    phase = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    for angle in np.tile(phase, 2):
        stride.add(np.array([[np.sin(angle), 0.3, np.cos(angle)]]))
    np.testing.assert_allclose(stride.mean(), [[0, 0.3, 0]], atol=1e-12)
    for _ in range(20):  # away from where the sum is taken anew
        stride.add(np.array([[0.5, 0.0, 0.0]]))
    np.testing.assert_allclose(stride.mean(), stride._values.mean(axis=0), atol=1e-12)
    stride.reset(np.array([0]))
    np.testing.assert_array_equal(stride.mean(), 0.0)
    stride.add(np.ones((1, 3)))
    np.testing.assert_allclose(stride.mean(), 1.0)


def test_metrics_may_be_read_twice() -> None:
    env, task = environment()
    assert env.metrics == {}
    for _ in range(5):
        env.step(np.full((2, 19), 0.5))
    again = task.metrics()
    for name, value in env.metrics.items():
        np.testing.assert_array_equal(again[name], value)
    assert (again["velocity_error"] != again["velocity_error_instant"]).all()


def test_the_critic_sees_the_contacts_of_the_moment_after_a_reset_too() -> None:
    env = TaskVectorEnv(HumanoidVelocity(), 16, threads=1)
    assert isinstance(env.task, WalkingTask)
    touching = slice(11, 13)
    for _ in range(20):
        env.step(np.zeros((16, 19)))
    before = env.privileged[:, touching].copy()
    env._reset_rows(np.arange(8))
    env.privileged[:] = 0
    env._build()
    now = env.privileged[:, touching]
    np.testing.assert_array_equal(now, env.task.now.foot_force > 5.0)
    assert (now[:8] != before[:8]).any()
    np.testing.assert_array_equal(now[8:], before[8:])


def test_the_action_prior_mirrors() -> None:
    task = HumanoidVelocity()
    names = [a.name for a in task.robot.actuators]
    prior = task.action_prior
    for i, name in enumerate(names):
        if name.startswith("left_"):
            np.testing.assert_allclose(prior[i], -prior[names.index("right_" + name[5:])])
