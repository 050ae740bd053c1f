"""The batch as its users see it: steps, resets, reproduces and resumes."""

from dataclasses import replace

import numpy as np
import pytest

from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from sim.tasks.driving.task import DrivingTask
from sim.tasks.events import PushConfig
from sim.tasks.task import TaskConfig
from sim.tasks.velocity_commands import VelocityCommand
from sim.tasks.walking.config import HumanoidVelocity

ROWS = 6


def exact(task: TaskConfig) -> TaskConfig:
    """The task without noise and randomization."""
    return replace(task, noise=False, randomization=replace(task.randomization, enabled=False))


def rollout(env: TaskVectorEnv, steps: int, seed: int = 7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    actions = rng.normal(0.0, 0.5, (steps, 1, *env.single_action_space.shape))
    return np.array([env.step(np.repeat(a, env.num_envs, axis=0))[0] for a in actions])


@pytest.fixture(params=["HumanoidVelocity"])
def task(request: pytest.FixtureRequest) -> TaskConfig:
    return find_task(request.param)


def test_same_seed_gives_the_same_bits(task: TaskConfig) -> None:
    first, second = (TaskVectorEnv(task, ROWS, seed=3, threads=2) for _ in range(2))
    np.testing.assert_array_equal(rollout(first, 60), rollout(second, 60))


def test_another_seed_gives_another_world(task: TaskConfig) -> None:
    first, second = (TaskVectorEnv(task, ROWS, seed=seed, threads=2) for seed in (3, 4))
    assert not np.array_equal(rollout(first, 5), rollout(second, 5))


def test_reset_with_a_seed_starts_over(task: TaskConfig) -> None:
    env = TaskVectorEnv(task, ROWS, seed=3, threads=2)
    start, _ = env.reset(seed=11)
    once = rollout(env, 40)
    again, _ = env.reset(seed=11)
    np.testing.assert_array_equal(start, again)
    np.testing.assert_array_equal(once, rollout(env, 40))


def test_a_restored_batch_goes_on_as_if_it_had_never_stopped() -> None:
    task = replace(
        HumanoidVelocity(),
        pushes=PushConfig(interval=(0.1, 0.3)),
        command=VelocityCommand(interval=(0.2, 0.5)),
    )
    env = TaskVectorEnv(task, ROWS, seed=3, threads=2)
    commands = env.signals["command"].copy()
    rollout(env, 80)  # long enough for episodes to end, pushes and new commands to come
    while not env.engine.external_force.any():
        rollout(env, 1)
    assert (env.signals["command"] != commands).any(axis=1).all()
    state = env.state()
    expected = rollout(env, 80, seed=9)
    other = TaskVectorEnv(task, ROWS, seed=99, threads=2)
    other.restore(state)
    np.testing.assert_array_equal(rollout(other, 80, seed=9), expected)
    np.testing.assert_array_equal(other.privileged, env.privileged)


def test_a_row_alone_gives_the_same_bits_as_among_many(task: TaskConfig) -> None:
    alone = TaskVectorEnv(exact(task), 1, threads=1)
    many = TaskVectorEnv(exact(task), ROWS, threads=2)
    for env in (alone, many):
        env.reset(seed=1)
        env.signals["command"][:] = env.signals["command"][0]
    many.signals["command"][:] = alone.signals["command"]
    steps = 20  # before any new command is drawn
    np.testing.assert_array_equal(rollout(many, steps)[:, 2], rollout(alone, steps)[:, 0])


def test_an_ended_episode_starts_anew_in_the_same_step(task: TaskConfig) -> None:
    env = TaskVectorEnv(task, 64, seed=0, threads=2)
    env.reset(seed=0)
    limit = np.full(env.single_action_space.shape, env.config.action_clip, np.float32)
    for _ in range(200):
        obs, _, terminated, truncated, info = env.step(np.tile(limit, (64, 1)))
        done = terminated | truncated
        if done.any():
            break
    assert done.any()
    assert not done.all()
    np.testing.assert_array_equal(info["_final_obs"], done)
    assert (env.age[done] == 0).all()
    assert (env.age[~done] > 0).all()
    ended = np.flatnonzero(done)
    assert not np.isclose(info["final_obs"][ended], obs[ended]).all(axis=1).any()
    assert not info["final_obs"][~done].any()


def test_time_limit_truncates_and_does_not_terminate() -> None:
    task = replace(exact(HumanoidVelocity()), episode_seconds=0.2)
    env = TaskVectorEnv(task, 2, threads=1)
    ends = [env.step(np.zeros((2, 19)))[2:4] for _ in range(10)]
    assert not any(terminated.any() for terminated, _ in ends)
    assert [bool(truncated.all()) for _, truncated in ends] == [False] * 9 + [True]


def test_randomization_is_one_switch(task: TaskConfig) -> None:
    env = TaskVectorEnv(exact(task), ROWS, threads=2)
    trajectory = rollout(env, 20)
    # Nothing but the operator's command tells the rows apart.
    command = env.config.observations
    assert "command" in [t.name for t in command]
    for row in range(1, ROWS):
        np.testing.assert_array_equal(trajectory[:, row, :6], trajectory[:, 0, :6])
    shaken = TaskVectorEnv(task, ROWS, threads=2)
    assert not np.allclose(rollout(shaken, 20)[:, 1, :6], rollout(shaken, 20)[:, 0, :6])


@pytest.mark.parametrize("name", ["HumanoidVelocity", "VehicleTrack"])
def test_noise_is_one_switch_for_every_signal(name: str) -> None:
    """Without it a signal is the truth; with it, in the same state, none is."""
    nominal = find_task(name).nominal()
    exact, noisy = (
        TaskVectorEnv(replace(nominal, noise=noise), 20, threads=1, all_signals=True)
        for noise in (False, True)
    )
    for env in (exact, noisy):
        env.reset(seed=1)
    np.testing.assert_array_equal(exact.engine.qpos, noisy.engine.qpos)
    engine = exact.engine
    truth = {
        s.signal.name: engine.sensordata[:, engine.columns(*s.sources)]
        for s in nominal.robot.sensors
    }
    if name == "HumanoidVelocity":
        truth["attitude"] = engine.sensor("true_attitude")
        truth["base_velocity"] = engine.sensor("true_velocity")
    else:
        truth |= {n: engine.sensor(n) for n in ("gnss_position", "gnss_velocity")}
        assert isinstance(exact.task, DrivingTask)
        cast = np.zeros_like(exact.signals["lidar"])
        task = exact.task
        task._lidar.cast(
            task._all, task.locator.track, task.position.index, engine.qpos[:, :7], cast
        )
        truth["lidar"] = cast
    for signal, value in truth.items():
        np.testing.assert_allclose(
            exact.signals[signal], value, rtol=1e-6, atol=1e-6, err_msg=signal
        )
        differ = (noisy.signals[signal] != exact.signals[signal]).any(axis=1)
        assert differ.all(), signal


def test_actions_beyond_the_clip_are_clipped(task: TaskConfig) -> None:
    wild, tame = (TaskVectorEnv(exact(task), 1, threads=1) for _ in range(2))
    shape = (1, *wild.single_action_space.shape)
    np.testing.assert_array_equal(
        wild.step(np.full(shape, 1e6))[0], tame.step(np.full(shape, task.action_clip))[0]
    )


def test_observation_holds_only_what_the_robot_can_sense(task: TaskConfig) -> None:
    env = TaskVectorEnv(exact(task), 2, seed=0, threads=1)
    contract = env.contract()
    sensed = {s.signal.name for s in task.robot.sensors} | {s.name for s in task.extra_signals}
    runtime = {"command", "last_action", "control_step", "default_target"}
    runtime |= {"attitude", "base_velocity"}
    assert {s.name for s in contract.signals} <= sensed | runtime
    assert contract.observation_size == env.single_observation_space.shape[0]
