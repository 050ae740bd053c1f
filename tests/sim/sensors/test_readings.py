"""What the robot reads against what is true."""

from dataclasses import replace

import numpy as np
import pytest

from sim.envs.vector_env import TaskVectorEnv
from sim.sensors.estimates import EstimateErrors
from sim.sensors.readings import Noise
from sim.tasks.walking.config import HumanoidVelocity
from sim.tasks.walking.settings import WalkingNoise

ROWS = 400
SILENT = {name: Noise() for name in ("imu_gyro", "imu_accel", "joint_pos", "joint_vel")}
SILENT |= {"joint_torque": Noise(), "foot_force": Noise()}


def environment(**errors: Noise | EstimateErrors) -> TaskVectorEnv:
    """All rows in the same state, only the named sensors in error."""
    config = WalkingNoise(**{**SILENT, "estimates": EstimateErrors(), **errors})
    task = HumanoidVelocity().nominal()
    return TaskVectorEnv(
        replace(task, noise=True, errors=config), ROWS, threads=2, all_signals=True
    )


def error(env: TaskVectorEnv, signal: str, sources: list[str]) -> np.ndarray:
    return env.signals[signal] - env.engine.sensordata[:, env.engine.columns(*sources)]


def test_without_noise_a_reading_is_the_truth_in_single_precision() -> None:
    env = environment()
    env.step(np.zeros((ROWS, 19)))
    names = [f"{a.name}_pos" for a in env.config.robot.actuators]
    np.testing.assert_allclose(error(env, "joint_pos", names), 0, atol=1e-6)


def test_white_noise_has_its_standard_deviation_and_changes_every_step() -> None:
    env = environment(joint_pos=Noise(std=0.01))
    names = [f"{a.name}_pos" for a in env.config.robot.actuators]
    env.step(np.zeros((ROWS, 19)))
    first = error(env, "joint_pos", names)
    env.step(np.zeros((ROWS, 19)))
    second = error(env, "joint_pos", names)
    assert first.std() == pytest.approx(0.01, rel=0.05)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(0, abs=0.05)


def test_the_first_reading_of_an_episode_is_as_noisy_as_any() -> None:
    env = environment(joint_pos=Noise(std=0.01), imu_gyro=Noise(std=0.05))
    names = [f"{a.name}_pos" for a in env.config.robot.actuators]
    for rows in (np.arange(ROWS), np.arange(0, ROWS, 2)):
        env._reset_rows(rows)
        joints, gyro = error(env, "joint_pos", names), error(env, "imu_gyro", ["imu_gyro"])
        assert joints[rows].std() == pytest.approx(0.01, rel=0.05)
        assert gyro[rows].std() == pytest.approx(0.05, rel=0.1)


def test_a_bias_stays_for_the_episode_and_within_its_bound() -> None:
    env = environment(joint_pos=Noise(bias=0.02))
    names = [f"{a.name}_pos" for a in env.config.robot.actuators]
    env.step(np.zeros((ROWS, 19)))
    first = error(env, "joint_pos", names)
    env.step(np.zeros((ROWS, 19)))
    np.testing.assert_allclose(error(env, "joint_pos", names), first, atol=1e-5)
    assert np.abs(first).max() <= 0.02 + 1e-5
    assert first.std() == pytest.approx(0.02 / np.sqrt(3), rel=0.05)
    env.reset()
    assert not np.allclose(error(env, "joint_pos", names), first, atol=1e-3)


def test_the_imu_is_the_mean_of_its_burst_and_the_burst_is_noisier() -> None:
    env = environment(imu_gyro=Noise(std=0.05))
    env.step(np.zeros((ROWS, 19)))
    substeps = env.engine.substeps
    burst = env.signals["imu_burst"].reshape(ROWS, substeps, 6)
    np.testing.assert_allclose(env.signals["imu_gyro"], burst[:, :, :3].mean(axis=1), atol=1e-6)
    truth = env.engine.burst[:, :, env.engine.columns("imu_gyro")]
    assert (burst[:, :, :3] - truth).std() == pytest.approx(0.05 * np.sqrt(substeps), rel=0.05)


def test_a_learner_reads_what_the_policy_does_as_noisily_as_the_robot() -> None:
    """Without the burst: the error of the mean is drawn, not that of each reading."""
    errors = replace(WalkingNoise(), imu_gyro=Noise(std=0.05, bias=0.2), joint_pos=Noise(std=0.01))
    task = replace(HumanoidVelocity().nominal(), noise=True, errors=errors)
    env = TaskVectorEnv(task, ROWS, threads=2)
    assert not {"joint_torque", "foot_force", "imu_accel", "imu_burst"} & set(env.signals)
    gyro = []
    for _ in range(2):
        env.step(np.zeros((ROWS, 19)))
        truth = env.engine.burst[:, :, env.engine.columns("imu_gyro")].mean(axis=1)
        gyro.append(env.signals["imu_gyro"] - truth)
    assert (gyro[1] - gyro[0]).std() == pytest.approx(0.05 * np.sqrt(2), rel=0.05)
    assert gyro[0].std() == pytest.approx(np.hypot(0.05, 0.2 / np.sqrt(3)), rel=0.05)
    names = [f"{a.name}_pos" for a in env.config.robot.actuators]
    assert error(env, "joint_pos", names).std() == pytest.approx(0.01, rel=0.05)
