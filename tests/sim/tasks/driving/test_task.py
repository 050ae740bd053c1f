"""VehicleTrack as a learner sees it: what is observed, what counts as progress, what ends it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge_runtime.errors import UserError
from policies.evaluation.pure_pursuit import PurePursuit
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.humanoid import humanoid
from sim.robots.robot import SimRobot
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.driving.rewards import DrivingRewards
from sim.tasks.driving.task import DrivingTask

TASK = VehicleTrack(tracks=16)
CALM = replace(TASK.nominal(), start_speed=(3.0, 3.0))
ROWS = 8


def make(task: VehicleTrack, rows: int = ROWS, seed: int = 0) -> tuple[TaskVectorEnv, DrivingTask]:
    env = TaskVectorEnv(task, rows, seed=seed, threads=2)
    env.reset(seed=seed)
    assert isinstance(env.task, DrivingTask)
    return env, env.task


def rollout(env: TaskVectorEnv, steps: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (steps, env.num_envs, 2)
    actions = rng.normal([0.0, 0.5], 0.4, shape).astype(np.float32)
    return np.array([env.step(a)[0] for a in actions])


def test_same_seed_same_bits_and_resuming_is_never_having_stopped() -> None:
    first, _ = make(TASK, seed=3)
    second, _ = make(TASK, seed=3)
    np.testing.assert_array_equal(rollout(first, 60, 1), rollout(second, 60, 1))
    state = first.state()
    expected = rollout(first, 80, 2)
    other, _ = make(TASK, seed=77)
    other.restore(state)
    np.testing.assert_array_equal(rollout(other, 80, 2), expected)
    np.testing.assert_array_equal(other.privileged, first.privileged)
    for name, value in other.signals.items():
        np.testing.assert_array_equal(value, first.signals[name], err_msg=name)


def test_the_policy_sees_sensors_only() -> None:
    env, _ = make(TASK)
    sensed = {s.signal.name for s in TASK.robot.sensors} | {s.name for s in TASK.extra_signals}
    read = {s.name for s in env.contract().signals}
    assert read <= sensed | {"last_action"}
    assert {"lidar", "imu_gyro", "wheel_speed"} <= read


def test_each_simulation_has_its_own_track_and_a_new_one_after_a_reset() -> None:
    _, task = make(TASK, rows=40)
    before = task.locator.track.copy()
    assert len(set(before)) > 10
    task.start(np.arange(40))
    assert (task.locator.track != before).mean() > 0.7


@pytest.mark.parametrize("rows", [16, 20])
def test_episodes_that_start_together_share_no_track_that_they_need_not(rows: int) -> None:
    env, task = make(TASK, rows)
    for seed in (None, 1, 2):
        env.reset(seed=seed)
        uses = np.bincount(task.locator.track, minlength=16)
        assert uses.min() == 1
        assert uses.max() == np.ceil(rows / 16)


def test_each_episode_of_an_evaluation_has_its_own_track() -> None:
    assert TASK.unseen(0, 30).tracks == 30
    assert TASK.unseen(0, 10).tracks == 16
    _, few = make(TASK.unseen(0), 1)
    _, many = make(TASK.unseen(0, 17), 1)
    np.testing.assert_array_equal(many.tracks.center[:16], few.tracks.center)


def test_training_and_evaluation_tracks_differ() -> None:
    _, seen = make(TASK)
    _, unseen = make(TASK.unseen(0))
    assert not np.isclose(seen.tracks.length[:, None], unseen.tracks.length[None]).any()


def test_starts_between_the_walls_along_the_track() -> None:
    _, task = make(TASK, rows=200)
    assert (task.position.clearance > 0.3).all()
    assert (np.abs(task.position.heading_error) < 0.3).all()
    low, high = TASK.start_speed
    speed = task.now.velocity[:, 0]
    assert speed.min() >= low - 0.1
    assert speed.max() <= high + 0.1
    assert np.ptp(speed) > 0.8 * (high - low)


def test_a_diverged_simulation_has_crashed_and_gained_nothing() -> None:
    """MuJoCo puts it back to the model's origin, somewhere else on the track."""
    env, _ = make(CALM)
    env.engine.qvel[2] = 1e12
    _, _, terminated, _, info = env.step(np.zeros((ROWS, 2), np.float32))
    assert list(np.flatnonzero(terminated)) == [2]
    assert env.reward_terms["progress"][2] == 0.0
    assert env.reward_terms["crash"][2] < 0.0
    assert np.isfinite(info["final_obs"]).all()


def test_progress_is_speed_along_the_centre_line() -> None:
    env, task = make(CALM)
    driver = PurePursuit(env)
    travelled = np.zeros(ROWS)
    for _ in range(50):
        env.step(driver.act())
        travelled += env.reward_terms["progress"] / DrivingRewards().progress
    np.testing.assert_allclose(travelled, task.travelled)
    forward = task.now.velocity[:, 0] * np.cos(task.position.heading_error)
    inside = 1 - task.position.curvature * task.position.offset  # the shorter way of a corner
    np.testing.assert_allclose(env.metrics["speed"], forward / inside, rtol=0.05)


def test_laps_are_counted_and_timed() -> None:
    env, task = make(replace(CALM, episode_seconds=40.0))
    driver = PurePursuit(env)
    length = task.tracks.length[task.locator.track]
    for _ in range(800):
        _, _, terminated, _, _ = env.step(driver.act())
        assert not terminated.any()
        if (env.metrics["lapped"] > 0).all():
            break
    assert (env.metrics["lapped"] == 1).all()
    pace = length / env.metrics["lap_time"]
    assert (pace > 6.0).all()
    assert (pace < 12.5).all()


def test_leaving_the_track_ends_the_episode_and_costs() -> None:
    env, _ = make(CALM)
    for _ in range(100):
        _, _, terminated, _, info = env.step(np.tile(np.float32([0.0, 0.7]), (ROWS, 1)))
        if terminated.any():
            break
    ended = np.flatnonzero(terminated)
    assert (env.metrics["left_track"][ended] == 1).all()
    cost = DrivingRewards().crash * CALM.control_period
    assert env.reward_terms["crash"][ended] == pytest.approx(cost)
    assert info["_final_obs"][ended].all()
    lidar = info["final_obs"][ended][:, : TASK.lidar.beams]
    assert lidar.max() > 0.5  # something was close


def test_a_randomized_drive_still_settles_at_the_commanded_speed() -> None:
    """Its one gain varies; gain and damping apart would be another speed."""
    env, _ = make(TASK, rows=30)
    drive = [a.name for a in TASK.robot.actuators].index("drive")
    gain = env.engine.field("actuator_gainprm")[:, drive, 0]
    assert np.ptp(gain) > 0.1 * gain.mean()
    np.testing.assert_array_equal(env.engine.field("actuator_biasprm")[:, drive, 2], -gain)
    steering = env.engine.field("actuator_gainprm")[:, 1 - drive, 0]
    assert np.ptp(steering / steering.mean()) > 0.1
    assert not np.isclose(steering / steering.mean(), gain / gain.mean()).all()


def test_standing_still_ends_the_episode() -> None:
    env, _ = make(replace(CALM, start_speed=(0.0, 0.0)))
    ends = [env.step(np.zeros((ROWS, 2), np.float32))[2].all() for _ in range(110)]
    assert ends.index(True) * CALM.control_period == pytest.approx(TASK.stuck_seconds, abs=0.1)


def test_a_rolled_car_ends_the_episode() -> None:
    env, _ = make(CALM)
    env.engine.qpos[2, 3:7] = (0.7, 0.7, 0.0, 0.0)
    env.engine.qpos[2, 2] = 1.0
    _, _, terminated, _, _ = env.step(np.zeros((ROWS, 2), np.float32))
    assert list(np.flatnonzero(terminated)) == [2]


def test_randomization_and_noise_are_one_switch_each() -> None:
    env, task = make(TASK, rows=30)
    assert np.ptp(task.friction) > 0.15
    assert np.ptp(env.engine.field("body_mass")[:, task._chassis]) > 10.0
    env, task = make(CALM, rows=30)
    assert np.ptp(task.friction) == 0.0
    exact = env.signals["lidar"].copy()
    task.sense(None)
    np.testing.assert_array_equal(env.signals["lidar"], exact)
    antenna = task.pose[:, :2] - env.signals["gnss_position"][:, :2]
    assert np.linalg.norm(antenna, axis=1) == pytest.approx(np.linalg.norm(antenna[0]), abs=1e-4)
    env, task = make(replace(CALM, noise=True), rows=30)
    first = env.signals["lidar"].copy()
    task.sense(None)
    assert (env.signals["lidar"] != first).mean() > 0.5


def test_privileged_columns_are_what_the_task_knows() -> None:
    env, task = make(TASK, rows=30)
    rollout(env, 10, 0)
    np.testing.assert_allclose(env.privileged[:, :2], task.now.velocity, rtol=1e-5)
    np.testing.assert_allclose(env.privileged[:, 3], task.position.offset, rtol=1e-5, atol=1e-6)
    assert np.isfinite(env.privileged).all()


def test_gnss_follows_the_antenna() -> None:
    env, task = make(TASK)
    env.step(np.zeros((ROWS, 2), np.float32))
    apart = np.linalg.norm(env.signals["gnss_position"][:, :2] - task.pose[:, :2], axis=1)
    assert (apart < 0.4 + 5 * TASK.gnss.wander).all()
    assert (apart > 0).all()


@dataclass(frozen=True)
class LongCarTrack(VehicleTrack):
    """The car with another nose, larger wheels to its knowledge, and a body of another name."""

    @property
    def robot(self) -> SimRobot:
        ours = super().robot
        longer = replace(ours.find_car(), outline=((4.0, 0.0),), wheel_radius=0.4)
        return replace(ours, name="long", car=longer)


def test_another_car_brings_its_own_facts() -> None:
    calm = replace(CALM, tracks=1)
    (_, short), (_, long) = make(calm), make(LongCarTrack(**vars(calm)))
    np.testing.assert_array_equal(short.pose, long.pose)
    assert (short.position.clearance != long.position.clearance).all()
    wheel, other = (
        task.engine.qvel[:, task.engine.model.joint("rear_left_wheel").dofadr[0]]
        for task in (short, long)
    )
    np.testing.assert_allclose(wheel, 2.0 * other)
    wheeled = LongCarTrack().wheeled
    assert wheeled is not None and wheeled.wheel_radius == 0.4  # the estimator's too


def test_a_robot_that_is_no_car_is_refused() -> None:
    with pytest.raises(UserError, match="'humanoid' is no car to drive"):
        humanoid(0.3).find_car()
