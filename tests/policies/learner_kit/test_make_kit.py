"""A learner kit rewards a robot for what training rewarded, and its critic foresees that."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Flag, Layout
from edge_runtime.learning.adapters.actor_network import read_network
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.ppo_config import PPOConfig
from edge_runtime.learning.reward.onboard_reward import OnboardReward
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.policy.inference import Policy
from policies.evaluation.policy_file import PolicyFile
from policies.learner_kit.best_scale import BestScaleConfig
from policies.learner_kit.critic import train_critic
from policies.learner_kit.identification import IdentificationConfig
from policies.learner_kit.make_kit import KitSettings, make_kit, reward_terms
from policies.learner_kit.reward_weights import fit_weights
from policies.learner_kit.rollouts import Recorder, devices
from policies.learner_kit.train_identifier import IdentifierConfig
from policies.learner_kit.worn_robots import WornRobotsConfig
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.wear import Wear
from sim.tasks.description import describe
from sim2edge.__main__ import main as sim2edge

SMALL = KitSettings(
    devices=6,
    robots=2,
    seconds=3.0,
    identification=IdentificationConfig(
        WornRobotsConfig(robots=64, side_by_side=32, seconds=3.0),
        IdentifierConfig(epochs=2),
        BestScaleConfig(frictions=(0.6, 1.0), scales=(0.8, 1.0), episodes=2, seconds=2.0),
    ),
)


def test_a_robot_computes_the_terms_that_training_rewarded() -> None:
    """With exact sensors those terms of the two are the same that need no guess of the ground."""
    policy = PolicyFile.committed("HumanoidVelocity")
    task = replace(policy.task, noise=False)
    env = TaskVectorEnv(task, 1, seed=3, threads=1, all_signals=True, estimates="truth")
    policy.drive(env)
    observation, _ = env.reset(seed=3)
    trained, sensed, act = [], [], policy.actor(1)
    for _ in range(40):
        observation, *_ = env.step(act(observation).copy())
        trained.append({n: float(v[0]) for n, v in env.reward_terms.items()})
        sensed.append({n: v[0].copy() for n, v in env.signals.items()})
    reward = OnboardReward(reward_terms(task), policy.contract, describe(task, env.engine.substeps))
    signals = {name: np.array([of[name] for of in sensed]) for name in sensed[0]}
    steps = Steps(signals, np.arange(40) == 0, np.zeros(40, bool))
    parts = dict(zip(reward.names, (reward.parts(steps) * reward.weights).T))
    exact = ("track_velocity", "tilt", "vertical_velocity", "effort", "speed_limit", "feet_close")
    for name in exact:
        expected = np.array([of[name] for of in trained])
        np.testing.assert_allclose(parts[name], expected, rtol=1e-3, atol=1e-5, err_msg=name)
    for name in ("action_rate", "action_jerk"):  # nothing is known before the first step
        expected = np.array([of[name] for of in trained])[2:]
        np.testing.assert_allclose(parts[name][2:], expected, rtol=1e-3, atol=1e-6)
    for name in ("track_yaw_rate", "gait", "swing_height", "foot_slip"):
        expected = np.array([of[name] for of in trained])
        assert np.corrcoef(parts[name], expected)[0, 1] > 0.8, name


def test_weights_are_found_again_and_keep_their_signs() -> None:
    rng = np.random.default_rng(0)
    parts = np.abs(rng.normal(size=(500, 4)))
    costs = np.array([False, True, True, False])
    weights = np.array([2.0, -1.0, 0.0, 0.5])
    found = fit_weights(parts, parts @ weights, weights, costs)
    np.testing.assert_allclose(found, weights, atol=1e-3)
    wrong = fit_weights(parts, parts @ [1.0, 1.0, -1.0, -1.0], np.zeros(4), costs)
    assert (wrong[costs] <= 0).all()
    assert (wrong[~costs] >= 0).all()
    assert wrong[2] < -0.1


def test_where_parts_are_alike_weights_stay_near_those_of_training() -> None:
    part = np.random.default_rng(0).uniform(size=(300, 1))
    twice, near = np.repeat(part, 2, axis=1), np.array([3.0, 1.0])
    found = fit_weights(twice, 4.0 * part[:, 0], near, np.array([False, False]))
    np.testing.assert_allclose(found, near, rtol=1e-3)


def test_a_critic_foresees_what_a_robot_gets() -> None:
    """Where the reward is what is observed, for one step alone, its value is known."""
    network = read_network(PolicyFile.committed("VehicleTrack").model, "car")
    size = len(network.offset)
    layout, rng = Layout("ab" * 32, "car", size, 2, ()), np.random.default_rng(0)
    rows = np.zeros(3000, layout.dtype)
    seen = rng.normal(size=(3000, size))
    rows["number"], rows["flags"] = np.arange(3000), Flag.END
    rows["observation"] = network.offset + seen / network.inverse_std
    critic = train_critic([rows], [3.0 * seen[:, 0]], network, PPOConfig(), 0)
    values = critic.values(torch.from_numpy(seen.astype(np.float32)))
    assert np.corrcoef(values, seen[:, 0])[0, 1] > 0.9
    assert 2.0 < np.polyfit(seen[:, 0], values, 1)[0] < 3.5


def test_rollouts_are_whole_and_say_how_likely_each_action_was() -> None:
    policy = PolicyFile.committed("VehicleTrack")
    std = np.float32([0.8, 0.3])
    recorder = Recorder(policy, Wear(friction=0.5), 2, std, 7)
    rollout = recorder.record(100)
    recorder.close()
    assert rollout.first[0].all()
    done = rollout.ended | rollout.cut
    np.testing.assert_array_equal(rollout.first[1:], done[:-1])
    assert rollout.ended.any()  # so wildly it leaves the track
    given = policy.actor(2)(rollout.observation[5])
    z = (rollout.action[5] - given) / std
    expected = (-0.5 * z**2 - np.log(std * np.sqrt(2 * np.pi))).sum(axis=1)
    np.testing.assert_allclose(rollout.log_prob[5], expected, rtol=1e-3, atol=1e-2)
    clipped = np.clip(rollout.action, -1, 1)
    np.testing.assert_array_equal(rollout.signals["last_action"], clipped)


def test_a_third_of_the_devices_are_as_their_model() -> None:
    robot = PolicyFile.committed("HumanoidVelocity").task.robot
    found = devices(robot, 12, 0)
    assert found == devices(robot, 12, 0)
    assert sum(wear == Wear() for wear in found) == 4
    for wear in found:
        wear.check(robot)


@pytest.mark.slow
def test_a_kit_is_made_the_same_again(tmp_path: Path) -> None:
    policy = PolicyFile.committed("VehicleTrack")
    said: list[str] = []
    kit = make_kit(policy, SMALL, progress=said.append)
    assert said
    kit.save(tmp_path / "a.kit")
    make_kit(policy, SMALL).save(tmp_path / "b.kit")
    assert (tmp_path / "a.kit").read_bytes() == (tmp_path / "b.kit").read_bytes()
    found = LearnerKit.load(tmp_path / "a.kit", Policy(policy.model).sha256)
    assert found.config.unworn.second > 0.8
    weights = found.config.reward.weights
    assert weights["progress"] > 0.5
    assert max(weight for name, weight in weights.items() if name != "progress") <= 0


class Hovering:
    """A task of another package."""

    name = "Hover"


def test_a_task_that_neither_walks_nor_drives_is_refused() -> None:
    with pytest.raises(UserError, match="Hover neither walks nor drives"):
        reward_terms(Hovering())  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_command_writes_a_kit_and_says_how_well_it_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, kit = tmp_path / "car.onnx", tmp_path / "car.kit"
    words = ["export", "VehicleTrack", "--output", str(policy), "--kit", str(kit)]
    assert sim2edge(words) == 0
    said = capsys.readouterr().out
    assert "per second" in said
    assert LearnerKit.load(kit, Policy.load(policy).sha256).config.worn.second > 0.85
