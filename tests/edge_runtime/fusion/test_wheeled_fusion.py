from pathlib import Path

import mujoco
import numpy as np
import pytest

from edge_runtime.fusion.wheeled_fusion import WheeledFusion
from edge_runtime.inference import Policy
from edge_runtime.signal import ATTITUDE, BASE_VELOCITY, IMU_BURST, POSITION, Array
from sim.estimation_car import measure_car_estimation
from sim.robots.estimators import VEHICLE_ESTIMATOR
from sim.robots.vehicle import TRACK, WHEEL_RADIUS, WHEELBASE, vehicle
from sim.tasks.vehicle_track import VehicleTrack
from sim.vector_env import TaskVectorEnv

ASSETS = Path(__file__).parents[3] / "assets"
PERIOD = VehicleTrack().control_period
VEHICLE = VEHICLE_ESTIMATOR.estimator


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load(ASSETS / "policies" / "VehicleTrack.onnx")


def acting(policy: Policy):
    def act(observations: Array) -> Array:
        return np.concatenate([policy(row[None]).copy() for row in observations])

    return act


def test_its_car_is_the_one_of_the_model() -> None:
    model = mujoco.MjModel.from_xml_path(str(vehicle().model))
    imu, antenna = model.site("imu").pos, model.site("gnss").pos
    np.testing.assert_allclose(VEHICLE.rear_axle, -imu)  # the chassis frame is at the rear axle
    np.testing.assert_allclose(VEHICLE.antenna, antenna - imu)
    assert VEHICLE.wheelbase == WHEELBASE and VEHICLE_ESTIMATOR.wheel_radius == WHEEL_RADIUS
    places = [(x, y) for x in (WHEELBASE, 0.0) for y in (TRACK / 2, -TRACK / 2)]
    np.testing.assert_allclose(VEHICLE.wheels, places)


def test_it_knows_cars_that_a_policy_drives(policy: Policy) -> None:
    found = measure_car_estimation(VehicleTrack().unseen(3), acting(policy), 4, 12.0, seed=3)
    assert found.velocity_rms < 0.2
    assert found.position_rms < found.gnss_rms
    assert found.heading_rms < 0.03 and found.tilt_rms < 0.03
    assert found.velocity_consistency > 0.85 and found.consistency > 0.8
    assert found.good > 0.95


def test_velocity_is_right_from_the_first_sample_on() -> None:
    env = TaskVectorEnv(VehicleTrack(), 4, seed=1, all_signals=True)
    fusion = WheeledFusion(VEHICLE_ESTIMATOR, PERIOD, env.engine.substeps, 4)
    assert {signal.name for signal in fusion.reads} <= set(env.signals)
    estimates = fusion.update(env.signals)
    truth = np.linalg.norm(env.engine.sensor("gnss_velocity"), axis=1)
    assert np.abs(estimates[BASE_VELOCITY][:, 0] - truth).max() < 0.3
    assert not fusion.lost
    for signal in fusion.provides:
        assert estimates[signal.name].shape == (4, signal.size)
        assert estimates[signal.name].dtype == np.float32
    assert fusion.update(env.signals)[ATTITUDE] is estimates[ATTITUDE]


def test_reset_of_one_row_leaves_the_others(policy: Policy) -> None:
    env = TaskVectorEnv(VehicleTrack(), 2, seed=2, all_signals=True)
    both, one = (WheeledFusion(VEHICLE_ESTIMATOR, PERIOD, env.engine.substeps, 2) for _ in range(2))
    act, observations = acting(policy), env.reset(seed=2)[0]
    for step in range(50):
        if step == 25:
            one.reset(np.array([1]))
        a, b = both.update(env.signals), one.update(env.signals)
        observations = env.step(act(observations))[0]
    np.testing.assert_array_equal(a[POSITION][0], b[POSITION][0])
    assert np.abs(a[BASE_VELOCITY][1] - b[BASE_VELOCITY][1]).max() > 0.0


def test_broken_samples_leave_it_finite_and_a_lost_sensor_is_declared(policy: Policy) -> None:
    env = TaskVectorEnv(VehicleTrack(), 1, seed=4, all_signals=True)
    fusion = WheeledFusion(VEHICLE_ESTIMATOR, PERIOD, env.engine.substeps)
    act, observations = acting(policy), env.reset(seed=4)[0]
    lost = []
    for step in range(120):
        signals = dict(env.signals)
        if 30 <= step < 34:
            signals = {name: np.full_like(value, np.nan) for name, value in signals.items()}
        if step >= 60:
            signals[IMU_BURST] = np.full_like(signals[IMU_BURST], np.nan)
        estimates = fusion.update(signals, periods=3 if step == 40 else 1)
        assert all(np.isfinite(value).all() for value in estimates.values())
        lost.append(fusion.lost)
        observations = env.step(act(observations))[0]
    assert not any(lost[:60]) and lost[-1]


def test_lidar_joins_in_when_it_is_ready(policy: Policy) -> None:
    pytest.importorskip("small_gicp", reason="the extra 'lidar' is not installed")
    from edge_runtime.fusion.lidar_odometry import LidarOdometry
    from edge_runtime.fusion.wheeled_state import MOTION_SEEN

    env = TaskVectorEnv(VehicleTrack(), 1, seed=5, all_signals=True)
    fusion = WheeledFusion(
        VEHICLE_ESTIMATOR,
        PERIOD,
        env.engine.substeps,
        lidar=LidarOdometry(),
        beams=VehicleTrack().lidar.beams,
    )
    assert "lidar" in [signal.name for signal in fusion.reads]
    act, observations = acting(policy), env.reset(seed=5)[0]
    try:
        for _ in range(1000):
            fusion.update(env.signals)
            if fusion.filters[0].state[MOTION_SEEN] > 0.0:
                break
            observations = env.step(act(observations))[0]
        assert fusion.filters[0].state[MOTION_SEEN] > 0.0
        assert not fusion.lost
    finally:
        fusion.close()
