from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.train.learners.batch_ppo import BatchPPO
from policies.train.learners.symmetry import find_mirror
from policies.train.run_folder import RunFolder
from policies.train.training import Training
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks import find_task
from tests.policies.conftest import short

TASK = find_task("HumanoidVelocity")


@pytest.fixture(scope="module")
def env():
    env = TaskVectorEnv(TASK.nominal(), 2, seed=3, threads=1)
    env.reset(seed=3)
    yield env
    env.close()


@pytest.fixture(scope="module")
def mirror(env):
    return find_mirror(env.contract(), TASK.robot.mirror_signs)


def test_twice_mirrored_is_as_before(env, mirror):
    rng = np.random.default_rng(0)
    seen = torch.from_numpy(rng.standard_normal((5, env.single_observation_space.shape[0])))
    done = torch.from_numpy(rng.standard_normal((5, len(TASK.robot.actuators))))
    assert torch.equal(mirror.observation(mirror.observation(seen)), seen)
    assert torch.equal(mirror.action(mirror.action(done)), done)


def test_a_mirrored_robot_sees_the_mirrored_world(env, mirror):
    """The physics itself says what left and right are."""
    half = TASK.gait_steps // 2
    rng = np.random.default_rng(1)
    command = np.array([0.5, 0.2, -0.3], np.float32)
    env.operator = np.stack([command, command * [1, -1, -1]]).astype(np.float32)
    env.signals["control_step"][1] = half  # the other foot's turn
    observation = env._build()
    for _ in range(15):
        action = rng.uniform(-1, 1, (1, len(TASK.robot.actuators))).astype(np.float32)
        other = mirror.action(torch.from_numpy(action)).numpy()
        observation, *_ = env.step(np.concatenate([action, other]))
    here, there = torch.from_numpy(observation)
    np.testing.assert_allclose(mirror.observation(here), there, atol=2e-3)
    assert (here - there).abs().max() > 0.1


def asymmetry(weight: float, run: Path) -> float:
    """Mean squared difference between left and right after a short training."""
    ppo = replace(short(run).ppo, symmetry=weight, learning_rate=3e-3, desired_kl=None, epochs=20)
    config = short(run, ppo=ppo)
    training = Training(config, RunFolder.create(run, config, {}))
    for _ in range(3):
        training.iterate()
    algorithm = training.algorithm
    assert isinstance(algorithm, BatchPPO)
    algorithm.mirror = find_mirror(
        TaskVectorEnv(TASK, 1, threads=1).contract(), TASK.robot.mirror_signs
    )
    seen = torch.from_numpy(algorithm.rollout_buffer.observations).flatten(0, 1)
    with torch.no_grad():
        features = algorithm.policy.features_extractor(seen)
        found = algorithm._asymmetry(features, algorithm._mirrored(seen))
    training.close()
    return float(found)


def test_its_loss_brings_left_and_right_together(tmp_path):
    assert asymmetry(10.0, tmp_path / "with") < 0.2 * asymmetry(0.0, tmp_path / "without")
