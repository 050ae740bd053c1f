import dataclasses
import os
import signal
import time
from pathlib import Path

import mujoco
import numpy as np
import pytest
from estimation.car import measure_car_estimation

from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.filter import VELOCITY_UNKNOWN
from edge_runtime.fusion.wheeled.fusion import LIDAR_ENDED, WheeledFusion
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    GNSS_VELOCITY,
    IMU_BURST,
    POSITION,
    STEERING_ANGLE,
    WHEEL_SPEED,
    Array,
)
from sim.envs.vector_env import TaskVectorEnv
from sim.robots.vehicle import CAR, TRACK, WHEEL_RADIUS, WHEELBASE, vehicle
from sim.tasks.driving.config import VehicleTrack

ASSETS = Path(__file__).parents[4] / "assets"
PERIOD = VehicleTrack().control_period
VEHICLE_ESTIMATOR = CAR.wheeled
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
    assert {read.name for read in fusion.reads} <= set(env.signals)
    estimates = fusion.update(env.signals)
    truth = np.linalg.norm(env.engine.sensor("gnss_velocity"), axis=1)
    assert np.abs(estimates[BASE_VELOCITY][:, 0] - truth).max() < 0.3
    assert not fusion.lost
    for given in fusion.provides:
        assert estimates[given.name].shape == (4, given.size)
        assert estimates[given.name].dtype == np.float32
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
    from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometry

    env = TaskVectorEnv(VehicleTrack(), 1, seed=5, all_signals=True)
    fusion = WheeledFusion(
        VEHICLE_ESTIMATOR,
        PERIOD,
        env.engine.substeps,
        lidar=LidarOdometry(),
        beams=VehicleTrack().lidar.beams,
    )
    assert "lidar" in [read.name for read in fusion.reads]
    act, observations = acting(policy), env.reset(seed=5)[0]
    try:
        for _ in range(1000):
            fusion.update(env.signals)
            if fusion.filters[0].state["motion_seen"] > 0.0:
                break
            observations = env.step(act(observations))[0]
        assert fusion.filters[0].state["motion_seen"] > 0.0
        assert not fusion.lost
    finally:
        fusion.close()


def test_an_end_of_the_lidars_process_is_reported(policy: Policy) -> None:
    pytest.importorskip("small_gicp", reason="the extra 'lidar' is not installed")
    from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometry

    env = TaskVectorEnv(VehicleTrack(), 1, seed=5, all_signals=True)
    lidar = LidarOdometry()
    fusion = WheeledFusion(
        VEHICLE_ESTIMATOR,
        PERIOD,
        env.engine.substeps,
        lidar=lidar,
        beams=VehicleTrack().lidar.beams,
    )
    act, observations = acting(policy), env.reset(seed=5)[0]
    try:
        for _ in range(100):
            fusion.update(env.signals)
            observations = env.step(act(observations))[0]
        assert (fusion.states[0].health, fusion.reason) == (Health.GOOD, "")
        assert lidar.pid is not None
        os.kill(lidar.pid, signal.SIGKILL)
        until = time.monotonic() + 10.0
        while lidar.alive and time.monotonic() < until:
            time.sleep(0.01)
        fusion.update(env.signals)
        (state,) = fusion.states
        assert (state.health, state.reason) == (Health.DEGRADED, LIDAR_ENDED)
        assert fusion.reason == LIDAR_ENDED and not fusion.lost
    finally:
        fusion.close()


@pytest.mark.parametrize("gnss", [True, False], ids=["no fix yet", "no receiver"])
def test_wheels_that_fall_silent_before_the_heading_is_known_are_lost(gnss: bool) -> None:
    """The car stands; a wheel sensor that is gone reads NaN."""
    config = dataclasses.replace(VEHICLE_ESTIMATOR, gnss=gnss)
    fusion = WheeledFusion(config, PERIOD)
    signals = {s.name: np.zeros((1, s.size), np.float32) for s in fusion.reads}
    rng, lost = np.random.default_rng(0), {}
    for step in range(round(12.0 / PERIOD)):
        now = step * PERIOD
        signals["imu_gyro"][:] = 0.003 * rng.standard_normal(3)
        signals["imu_accel"][:] = [0.0, 0.0, 9.8] + 0.05 * rng.standard_normal(3)
        if now > 3.0:
            signals[WHEEL_SPEED][:] = np.nan
        fusion.update(signals)
        lost[now] = fusion.lost
    assert not any(said for now, said in lost.items() if now < 3.0)
    assert all(said for now, said in lost.items() if now > 10.5)
    assert fusion.reason == VELOCITY_UNKNOWN


def test_the_gnss_velocity_is_believed_as_far_as_the_config_says() -> None:
    def spread(config: WheeledConfig) -> float:
        robot = dataclasses.replace(VEHICLE_ESTIMATOR, estimator=config)
        fusion = WheeledFusion(robot, PERIOD)
        signals = {s.name: np.zeros((1, s.size), np.float32) for s in fusion.reads}
        rng = np.random.default_rng(0)
        for step in range(100):
            signals["imu_gyro"][:] = 0.003 * rng.standard_normal(3)
            signals["imu_accel"][:] = [0.0, 0.0, 9.8] + 0.05 * rng.standard_normal(3)
            signals[WHEEL_SPEED][:] = 5.0 / WHEEL_RADIUS
            signals[STEERING_ANGLE][:] = 0.0
            signals[GNSS_VELOCITY][0] = [5.0, 0.0, 1e-4 * step]
            signals["gnss_position"][0] = [5.0 * step * PERIOD, 0.0, 0.0]
            fusion.update(signals)
        assert fusion.filters[0].state["heading_known"] == 1.0
        return float(fusion.states[0].covariance[2, 2])  # of the heading, which its course tells

    unsure = dataclasses.replace(VEHICLE, fix_velocity_std=0.5)
    assert spread(unsure) > 1.5 * spread(VEHICLE)
