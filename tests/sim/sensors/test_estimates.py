"""The policy's attitude and velocity, by error model and by the robot's own estimator."""

from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.errors import ContractError, UserError
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import ATTITUDE, BASE_VELOCITY
from policies.commands.evaluate import main
from policies.commands.evaluate_config import EvaluateConfig
from sim.envs.vector_env import TaskVectorEnv
from sim.sensors.estimates import EstimateErrors, GaussMarkov
from sim.tasks.driving.config import VehicleTrack
from sim.tasks.walking.config import HumanoidVelocity
from tests.sim.sensors.test_readings import ROWS, environment


def test_the_estimated_attitude_wanders_around_the_truth() -> None:
    env = environment(estimates=EstimateErrors(GaussMarkov(std=0.02, time_constant=0.2)))
    tilts = []
    for _ in range(40):
        env.step(np.zeros((ROWS, 19)))
        truth = env.engine.sensor("true_attitude")
        tilts.append(2 * (env.signals["attitude"] - truth)[:, 1:3])
    norms = np.linalg.norm(env.signals["attitude"], axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-6)
    assert np.std(tilts) == pytest.approx(0.02, rel=0.15)
    moments = np.array(tilts)[:, :, 0]
    near = np.corrcoef(moments[0], moments[1])[0, 1]
    far = np.corrcoef(moments[0], moments[-1])[0, 1]
    assert near > 0.8 > 0.3 > far


def test_the_estimated_velocity_wanders_around_the_truth() -> None:
    wander = GaussMarkov(std=0.04, time_constant=0.2)
    env = environment(estimates=EstimateErrors(velocity=wander))
    errors = []
    for _ in range(40):
        env.step(np.zeros((ROWS, 19)))
        errors.append(env.signals[BASE_VELOCITY] - env.engine.sensor("true_velocity"))
    assert np.std(errors) == pytest.approx(0.04, rel=0.1)
    assert np.corrcoef(errors[0].ravel(), errors[1].ravel())[0, 1] > 0.8
    assert np.corrcoef(errors[0].ravel(), errors[-1].ravel())[0, 1] < 0.3


def tilt(env: TaskVectorEnv) -> np.ndarray:
    """Angle between estimated and true attitude, (N,) rad."""
    estimated, true = (
        rotation_matrix(np.asarray(q, np.float64))[:, 2]
        for q in (env.signals[ATTITUDE], env.engine.sensor("true_attitude"))
    )
    return np.arccos(np.clip((estimated * true).sum(axis=1), -1.0, 1.0))


@pytest.mark.parametrize(
    ("task", "estimator"), [(HumanoidVelocity(), "legged"), (VehicleTrack(), "wheeled")]
)
def test_each_robot_has_an_estimator_of_its_own_that_follows_it(
    task: HumanoidVelocity | VehicleTrack, estimator: str
) -> None:
    env = TaskVectorEnv(task, 3, seed=2, estimates=estimator)
    env.reset(seed=2)
    rng = np.random.default_rng(0)
    shape = env.action_space.shape
    assert shape is not None
    restarts = np.zeros(3, np.int64)
    for _ in range(120):
        action = 0.1 * rng.standard_normal(shape).astype(np.float32)
        _, _, terminated, truncated, _ = env.step(action)
        restarts += terminated | truncated
        assert tilt(env).max() < 0.3
    wrong = env.signals[BASE_VELOCITY] - env.engine.sensor("true_velocity")
    assert np.abs(wrong).max() < 1.0
    if estimator == "legged":
        assert restarts.any()  # and a new one after a fall, in another world, is right at once


def test_the_truth_is_the_truth_though_the_sensors_are_noisy() -> None:
    env = TaskVectorEnv(HumanoidVelocity(), 2, estimates="truth")
    env.step(np.zeros((2, 19), np.float32))
    np.testing.assert_array_equal(
        env.signals[ATTITUDE], env.engine.sensor("true_attitude").astype(np.float32)
    )
    assert (env.signals["imu_gyro"] != env.engine.sensor("imu_gyro").astype(np.float32)).all()


def test_a_run_with_estimators_cannot_be_saved() -> None:
    env = TaskVectorEnv(HumanoidVelocity(), 1, estimates="legged")
    with pytest.raises(UserError, match="cannot be saved"):
        env.state()


@pytest.mark.parametrize(
    ("task", "estimator", "says"),
    [
        (VehicleTrack(), "legged", "does not describe its legs"),
        (HumanoidVelocity(), "compass", "unknown fusion 'compass'"),
        (HumanoidVelocity(), "robot", "gives no 'attitude', which the policy reads"),
    ],
)
def test_an_estimator_that_does_not_fit_is_refused(
    task: HumanoidVelocity | VehicleTrack, estimator: str, says: str
) -> None:
    with pytest.raises((UserError, ContractError), match=says):
        TaskVectorEnv(replace(task), 1, estimates=estimator)


def test_an_evaluation_on_estimates_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    policy = "assets/policies/HumanoidVelocity.onnx"
    assert main(EvaluateConfig(policy, episodes=2, seconds=0.5, estimates="auto")) == 0
    assert "auto estimates" in " ".join(capsys.readouterr().out.split())
