"""Walking with a robot of other legs: four of them, eight joints, no arms, another size."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import UserError
from sim.envs.make_batch import make_batch
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.leg_chains import robot_mass
from sim.robots.legs import Legs
from sim.sensors.readings import Noise
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.walking.arms import ArmConfig
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.rewards import WalkingRewards
from sim.tasks.walking.settings import FootNoise
from sim.tasks.walking.task import WalkingTask
from sim.terrain.terrain import TerrainConfig
from tests.sim.tasks.walking.quadruped import FACTS, QuadrupedVelocity, mjcf, quadruped


@pytest.mark.parametrize("engine", ["mujoco", "bullet"])
def test_it_stands_and_is_rewarded(engine: str) -> None:
    env = TaskVectorEnv(QuadrupedVelocity().nominal(), 2, threads=1, engine=engine)
    try:
        env.signals["command"][:] = 0
        for _ in range(50):
            _, reward, terminated, *_ = env.step(np.zeros((2, 8)))
            env.signals["command"][:] = 0
        task = env.task
        assert isinstance(task, WalkingTask)
        assert not terminated.any()
        assert task.now.contact.all()
        np.testing.assert_allclose(task.now.foot_force.sum(axis=1), task.now.robot.weight, rtol=0.2)
        np.testing.assert_allclose(task.now.height, task.now.robot.nominal_height, atol=0.03)
        weights = task.config.rewards
        best = weights.track_velocity + weights.track_yaw_rate + weights.alive + weights.gait
        assert (reward > 0.8 * best * env.config.control_period).all()
    finally:
        env.close()


@pytest.mark.parametrize("engine", ["mujoco", "bullet"])
def test_it_takes_training_steps_on_rough_ground(engine: str) -> None:
    terrain = TerrainConfig(kinds=("slope", "steps"))
    task = replace(QuadrupedVelocity(), terrain=terrain).for_training()
    env = TaskVectorEnv(task, 3, seed=1, threads=1, stagger=True, engine=engine)
    try:
        observations, _ = env.reset(seed=2)
        rng = np.random.default_rng(0)
        for _ in range(30):
            observations, reward, *_ = env.step(rng.normal(size=(3, 8)).astype(np.float32))
            assert np.isfinite(observations).all() and np.isfinite(reward).all()
        assert observations.shape == (3, env.single_observation_space.shape[0])
        assert set(env.reward_terms) <= set(vars(task.rewards))
    finally:
        env.close()


def test_it_resumes_to_the_same_bits() -> None:
    one, other = (TaskVectorEnv(QuadrupedVelocity(), 4, seed=s, threads=1) for s in (1, 2))
    rng = np.random.default_rng(0)
    for _ in range(20):
        one.step(rng.normal(size=(4, 8)))
    other.restore(one.state())
    action = rng.normal(size=(4, 8))
    for a, b in zip(one.step(action)[:2], other.step(action)[:2]):
        np.testing.assert_array_equal(a, b)


def test_diagonal_feet_swing_together() -> None:
    env = TaskVectorEnv(QuadrupedVelocity().nominal(), 1, threads=1)
    task = env.task
    assert isinstance(task, WalkingTask)
    swings = []
    for _ in range(env.config.gait_steps):
        env.signals["command"][:] = [0.5, 0, 0]
        env.step(np.zeros((1, 8)))
        swings.append(task.now.is_swing[0].copy())
    front_left, front_right, rear_left, rear_right = np.array(swings).T
    np.testing.assert_array_equal(front_left, rear_right)
    np.testing.assert_array_equal(front_right, rear_left)
    assert front_left.any() and front_right.any() and not (front_left & front_right).any()


def test_what_it_starts_from_and_what_an_estimator_knows_follow_from_the_model() -> None:
    task = QuadrupedVelocity()
    robot = task.robot
    assert robot.main_body == "trunk"
    assert robot.mirror_signs == (1.0,) * 8  # all turn about the lateral axis
    assert FACTS.pairs == ((0, 1), (2, 3))
    legged = task.legged
    assert legged is not None
    assert [leg.name for leg in legged.legs] == list(FACTS.feet)
    assert legged.estimator.feet == 4
    assert legged.estimator.foot_noise == pytest.approx(0.32 * (0.005 + 0.01 / 3))
    assert 5.0 < legged.contact.touch.force < 10.0  # of 8.6 kg, not of 40
    prior = task.action_prior
    np.testing.assert_allclose(prior[:2, 0], [-0.2 / 0.3, -0.3 / 0.3])  # front left leads
    np.testing.assert_allclose(prior[2:4, 0], [0.2 / 0.3, 0.3 / 0.3])


def test_the_error_of_its_feet_goes_with_its_weight_unless_it_or_the_task_says_otherwise() -> None:
    task, share = QuadrupedVelocity(), 0.012 * 9.81 * 8.6
    assert task.sensor_noise["foot_force"] == Noise(pytest.approx(share), pytest.approx(share))
    humanoid = HumanoidVelocity()
    assert humanoid.sensor_noise["foot_force"] == Noise(5.0, 5.0)
    errors = replace(humanoid.errors, foot_force=FootNoise(std=0.0))
    assert replace(humanoid, errors=errors).sensor_noise["foot_force"] == Noise(0.0, 5.0)


def test_the_height_at_which_it_walks_is_the_robots_unless_the_task_has_another() -> None:
    def height(task: HumanoidVelocity) -> float:
        env = TaskVectorEnv(task, 1, threads=1)
        assert isinstance(env.task, WalkingTask)
        return env.task.now.robot.nominal_height

    assert height(HumanoidVelocity()) == 0.755
    assert height(HumanoidVelocity(nominal_height=0.7)) == 0.7


@pytest.mark.parametrize(
    ("legs", "old", "new", "message"),
    [
        (FACTS, 'name="imu"', 'name="head"', "has no site 'imu'"),
        (FACTS, 'name="rear_left_foot"', 'name="paw"', "has no site 'rear_left_foot'"),
        (FACTS, 'joint name="front_left_hip"', 'joint name="fl"', "cannot be read"),
        (FACTS, 'position name="front_left_hip"', 'position name="fl"', "no joint is named"),
        (FACTS, "<freejoint/>", "", "has no <freejoint/>"),
        (FACTS, 'name="floor" ', "", "stands on no geom 'floor'"),
        (FACTS, ' forcerange="-20 20"', "", "needs a forcerange"),
        (replace(FACTS, hands=("paw",)), "", "", "has no body 'paw'"),
    ],
)
def test_what_the_model_lacks_is_refused_by_name(
    tmp_path: Path, legs: Legs, old: str, new: str, message: str
) -> None:
    path = tmp_path / "robot.xml"
    path.write_text(mjcf().replace(old, new) if old else mjcf())
    with pytest.raises(UserError, match=message):
        quadruped(path=path, legs=legs)


@pytest.mark.parametrize(
    ("legs", "facts", "message"),
    [
        (
            {},
            {"default": {"hip": 0.6, "nee": -1.2}},
            "default names 'nee'",
        ),
        ({}, {"max_velocity": {"hip": 9.0, "ankle": 9.0}}, "max_velocity names 'ankle'"),
        ({}, {"max_velocity": {"hip": 9.0}}, "max_velocity must give 'front_left_knee' more"),
        ({}, {"main_body": "trunc"}, "no main_body 'trunc'; did you mean 'trunk'"),
        ({}, {"weakened": {"knees": True}}, "weakened names 'knees'"),
        ({"posture": {"hips": 1.0}}, {}, "posture names 'hips'"),
        ({"stepping": {"thigh": 1.0}}, {}, "stepping names 'thigh'"),
        ({"arm_swing": {"shoulder": 1.0}}, {}, "arm_swing names 'shoulder'"),
        ({"arms": ("elbow",)}, {}, "arms names 'elbow'"),
        ({"leading": ("front_left_paw",)}, {}, "leading names 'front_left_paw', .* did you mean"),
    ],
)
def test_a_misspelt_fact_is_refused_by_name(
    legs: dict[str, Any], facts: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        quadruped(legs=replace(FACTS, **legs), **facts)


def test_a_robot_with_a_joint_of_one_side_alone_is_not_mirrored(tmp_path: Path) -> None:
    path = tmp_path / "robot.xml"
    path.write_text(mjcf().replace("rear_left_knee", "left_tail"))
    pose = {"hip": 0.6, "knee": -1.2, "left_tail": -1.2}
    assert quadruped(path=path, default=pose).mirror_signs == ()


def test_furniture_of_the_scene_does_not_change_what_an_estimator_knows(tmp_path: Path) -> None:
    path = tmp_path / "robot.xml"
    table = '<body name="table" pos="3 0 0"><geom size="0.5" mass="80"/></body>'
    path.write_text(mjcf().replace("</worldbody>", f"{table}</worldbody>"))
    assert robot_mass(path) == robot_mass(quadruped().model) == pytest.approx(8.6)


def test_without_any_reward_each_simulation_gets_0() -> None:
    weights = WalkingRewards(**dict.fromkeys(vars(WalkingRewards()), 0.0))
    env = TaskVectorEnv(replace(QuadrupedVelocity(), rewards=weights), 3, threads=1)
    _, reward, *_ = env.step(np.zeros((3, 8)))
    np.testing.assert_array_equal(reward, np.zeros(3, np.float32))


def test_a_robot_without_arms_is_not_given_a_load_to_carry() -> None:
    task = replace(QuadrupedVelocity(), arms=ArmConfig(hand_mass=(0.0, 1.0)))
    with pytest.raises(UserError, match="arms and hands"):
        TaskVectorEnv(task, 1, threads=1)


def test_trainers_and_films_ask_the_task_itself() -> None:
    task = QuadrupedVelocity()
    assert task.gauntlet == "walking" and task.deployable
    assert task.on_terrain(("steps",)).terrain.kinds == ("steps",)
    env = make_batch(task.nominal(), 1, threads=1)
    env.step(np.zeros((1, 8), np.float32))
    assert env.contract().joint_names == tuple(a.name for a in task.robot.actuators)
    assert env.task.commanded_motion(0).shape == (3,) and env.task.overlay(0) == []
    with pytest.raises(UserError, match="has its own ground"):
        VehicleTrack().on_terrain(("steps",))


def test_a_robot_without_sides_is_not_mirrored(tmp_path: Path) -> None:
    path = tmp_path / "robot.xml"
    path.write_text(mjcf().replace("left", "port").replace("right", "starboard"))
    feet = tuple(f.replace("left", "port").replace("right", "starboard") for f in FACTS.feet)
    robot = quadruped(path=path, legs=replace(FACTS, feet=feet, leading=feet[:1]))
    assert robot.mirror_signs == () and robot.find_legs().pairs == ()
