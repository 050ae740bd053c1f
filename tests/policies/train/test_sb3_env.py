import dataclasses

import numpy as np
import pytest

from edge_runtime.errors import UserError
from policies.train.sb3_env import BatchVecEnv, sim2edge_vec_env
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task


def make(seconds: float) -> TaskVectorEnv:
    task = dataclasses.replace(find_task("HumanoidVelocity"), episode_seconds=seconds)
    return TaskVectorEnv(task, 3, seed=5, threads=1)


def test_gives_what_the_batch_gives_with_the_privileged_part_behind() -> None:
    native, adapted = make(0.1), BatchVecEnv(make(0.1))
    adapted.seed(5)
    first, _ = native.reset(seed=5)
    np.testing.assert_array_equal(adapted.reset(), np.hstack([first, native.privileged]))
    action = np.full((3, *adapted.action_space.shape), 0.1, np.float32)
    for step in range(1, 11):
        observation, reward, terminated, truncated, info = native.step(action)
        got, rewards, dones, infos = adapted.step(action)
        np.testing.assert_array_equal(got, np.hstack([observation, native.privileged]))
        np.testing.assert_array_equal(rewards, reward)
        np.testing.assert_array_equal(dones, terminated | truncated)
        assert dones.all() == (step % 5 == 0)  # 0.1 s are five control steps
        for row in np.flatnonzero(dones):
            last = np.hstack([info["final_obs"][row], info["final_privileged"][row]])
            np.testing.assert_array_equal(infos[row]["terminal_observation"], last)
            assert infos[row]["TimeLimit.truncated"] is True


def test_a_fall_is_not_a_time_limit() -> None:
    adapted = BatchVecEnv(make(20.0))
    adapted.reset()
    limp = np.zeros((3, *adapted.action_space.shape), np.float32)
    limp[:, ::2], limp[:, 1::2] = 5.0, -5.0
    for _ in range(200):
        _, _, dones, infos = adapted.step(limp)
        if dones.any():
            break
    row = int(np.flatnonzero(dones)[0])
    assert infos[row]["TimeLimit.truncated"] is False
    assert adapted.statistics.summary()["episode/survival"] == 0.0


def test_rows_that_go_on_have_nothing_to_say() -> None:
    adapted = BatchVecEnv(make(20.0))
    adapted.reset()
    _, _, _, infos = adapted.step(np.zeros((3, *adapted.action_space.shape), np.float32))
    assert infos == [{}, {}, {}]


def test_an_action_limit_tightens_the_space() -> None:
    env = make(20.0)
    assert (BatchVecEnv(env, action_limit=2.0).action_space.high == 2.0).all()
    clip = env.config.action_clip
    assert (BatchVecEnv(env, action_limit=99.0).action_space.high == clip).all()


def test_it_has_the_attributes_that_the_batch_has() -> None:
    adapted = BatchVecEnv(make(20.0))
    assert adapted.render_mode is None
    assert adapted.get_attr("max_steps") == [1000] * 3
    assert adapted.has_attr("max_steps") and not adapted.has_attr("nonsense")


def test_an_unknown_setting_of_the_task_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"no setting 'epsode_seconds'; did you mean 'episode_s"):
        sim2edge_vec_env("HumanoidVelocity", 1, epsode_seconds=1.0)


def test_actions_that_are_not_finite_are_refused_by_name() -> None:
    env = sim2edge_vec_env("VehicleTrack", 4, threads=1)
    env.reset()
    actions = np.zeros((4, 2), np.float32)
    env.step(actions)
    actions[2, 1] = np.nan
    for broken, said in ((actions, "environment 2 "), (actions[:3], "shape")):
        with pytest.raises(ValueError, match=said):
            env.step(broken)
    env.close()
