"""Where nothing is better than wheels and gyroscope, a car is as well known as they know it."""

import math
from dataclasses import replace

import numpy as np
import pytest
from estimation.rover import (
    Rover,
    dead_reckoning,
    drive_rover,
    estimated_paths,
    largest_step,
    mean_at_rest,
    path_error,
)

from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import GnssFix, Imu, Wheels
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.fusion.wheeled.presets import differential_drive, skid_steer
from edge_runtime.fusion.wheeled.steps import yaw
from tests.edge_runtime.fusion.drive import CAR, drive, feed, truth_at

INDOORS = Rover(seconds=60.0)
OUTDOORS = Rover(
    wheels=(0.28, -0.28, 0.28, -0.28),
    curves=0.5,
    seconds=60.0,
    slip=0.8,
    turns_about=0.05,
    vibration=0.8,
    bumps=0.03,
    bias=(0.002, -0.001, 0.001),
)
ROVERS = {
    "two wheels": INDOORS,
    "a large bias": replace(INDOORS, bias=(0.05, -0.03, 0.08)),
    "an IMU aside": replace(INDOORS, imu=(0.2, -0.1)),
    "stops": replace(INDOORS, stops=2),
    "without rest": replace(INDOORS, rest=0.0),
    "fast": replace(INDOORS, speed=5.0, curves=0.4),
    "slow": replace(INDOORS, speed=0.15, wheel_rate=20, imu_rate=50),
    "shaken": replace(INDOORS, vibration=1.5),
    "skid steering": OUTDOORS,
    "skid steering, slow readings": replace(OUTDOORS, wheel_rate=10, imu_rate=50),
    "loose ground": replace(OUTDOORS, slip=4.0),
}
SEEDS = 3


def filter_of(rover: Rover) -> WheeledFilter:
    track, imu = rover.wheels[0] - rover.wheels[1], (*rover.imu, 0.0)
    if rover.slip:
        return WheeledFilter(skid_steer(track, imu, len(rover.wheels) // 2), gnss=False)
    return WheeledFilter(differential_drive(track, imu), gnss=False)


_LONG = ("loose ground", "a large bias", "shaken")


@pytest.mark.parametrize(
    "rover",
    [
        pytest.param(rover, id=name, marks=[pytest.mark.slow] * (name in _LONG))
        for name, rover in ROVERS.items()
    ],
)
def test_it_is_no_worse_than_dead_reckoning_and_its_odometry_never_jumps(rover: Rover) -> None:
    ours, continuous, theirs = [], [], []
    for seed in range(SEEDS):
        recording = drive_rover(rover, seed)
        bias = mean_at_rest(recording.readings, rover.rest)
        peer = dead_reckoning(recording.readings, rover.imu, bias)
        corrected, odometry = estimated_paths(filter_of(rover), recording.readings)
        theirs.append(path_error(peer, recording))
        ours.append(path_error(corrected, recording))
        continuous.append(path_error(odometry, recording))
        assert largest_step(odometry) < 1.3 * rover.speed / rover.imu_rate + 0.03
        assert np.abs(np.diff(odometry.heading)).max() < 0.03
    for errors in (ours, continuous):
        assert math.hypot(*errors) < 1.1 * math.hypot(*theirs)


def test_a_car_with_the_settings_of_another_is_dead_reckoned_too() -> None:
    """Two wheels of a car's config, and nothing else of it changed."""
    recording = drive_rover(INDOORS, 3)
    config = WheeledConfig(
        wheels=((0.0, 0.25), (0.0, -0.25)), rear_axle=(0.0, 0.0, 0.0), wheelbase=0.0
    )
    corrected, _ = estimated_paths(WheeledFilter(config, gnss=False), recording.readings)
    bias = mean_at_rest(recording.readings, INDOORS.rest)
    peer = dead_reckoning(recording.readings, bias=bias)
    assert path_error(corrected, recording) < 1.1 * path_error(peer, recording) + 0.05


def test_a_wheel_that_creeps_is_not_at_rest() -> None:
    """3 cm/s, turning: no rest, from which the bias would be learned."""
    car = WheeledFilter(differential_drive(0.5), gnss=False)
    rng = np.random.default_rng(0)
    for k in range(2000):
        stamp = 0.01 * k
        gyro = np.array([0.0, 0.0, 0.02]) + 1e-3 * rng.standard_normal(3)
        car.predict(Imu(stamp, gyro, [0.0, 0.0, GRAVITY] + 0.02 * rng.standard_normal(3)))
        car.update(Wheels(stamp + 0.005, np.array([0.03 - 0.005, 0.03 + 0.005]), 0.0))
    assert abs(car.state["gyro_bias"][2]) < 1e-3
    assert yaw(car.state["attitude"]) == pytest.approx(0.4, abs=0.02)
    gone = 0.03 / 0.02 * np.array([math.sin(0.4), 1.0 - math.cos(0.4)])
    np.testing.assert_allclose(car.state["position"][:2], gone, atol=0.03)


def test_a_robot_that_is_turned_by_hand_at_rest_is_not_taken_for_one_with_a_bias() -> None:
    car = WheeledFilter(differential_drive(0.5), gnss=False)
    rng, turned = np.random.default_rng(1), 0.0
    for k in range(2000):
        stamp = 0.01 * k
        rate = 0.5 * math.sin(math.pi * (stamp - 8.0)) ** 2 if 8.0 < stamp < 10.0 else 0.0
        turned += 0.01 * rate
        gyro = np.array([0.004, -0.003, 0.006 + rate]) + 1e-3 * rng.standard_normal(3)
        car.predict(Imu(stamp, gyro, [0.0, 0.0, GRAVITY] + 0.02 * rng.standard_normal(3)))
        car.update(Wheels(stamp + 0.005, np.zeros(2), 0.0))
    np.testing.assert_allclose(car.state["gyro_bias"], [0.004, -0.003, 0.006], atol=1e-3)
    assert yaw(car.odometry.attitude) == pytest.approx(turned, abs=0.05)


def test_gnss_moves_the_estimate_and_not_the_odometry() -> None:
    """A fix elsewhere, an outage and its end, and the first heading."""
    away = np.array([80.0, -60.0, 0.0])

    def moved(m: GnssFix) -> GnssFix:
        return m._replace(position=m.position + away)

    driven = drive(40.0).without(GnssFix, 5.0, 15.0).changed(GnssFix, moved, 20.0)  # type: ignore[arg-type]
    car = WheeledFilter(CAR)
    places, odometry = [], []
    for m in driven.measurements:
        feed(car, [m])
        places.append(car.state["position"].copy())
        odometry.append([*car.odometry.position, yaw(car.odometry.attitude)])
    steps = np.abs(np.diff(np.array(odometry), axis=0))
    assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() > 50.0
    assert np.linalg.norm(steps[:, :3], axis=1).max() < 11.0 * 0.01 + 0.03
    assert np.minimum(steps[:, 3], 2.0 * math.pi - steps[:, 3]).max() < 0.02
    assert car.estimate.odometry is not None
    _, _, start = truth_at(driven.truth, 0.0)
    _, _, end = truth_at(driven.truth, car.estimate.stamp)
    way = np.linalg.norm(car.estimate.odometry.position[:2])
    assert way == pytest.approx(np.linalg.norm((end - start)[:2]), rel=0.05)


@pytest.mark.parametrize("rover", [INDOORS, OUTDOORS, replace(INDOORS, rest=0.0)])
def test_the_drift_of_the_odometry_is_within_its_covariance(rover: Rover) -> None:
    """It grows with the way, and tells how far off the place and heading are."""
    recording, car = drive_rover(rover, 7), filter_of(rover)
    truth = np.column_stack([recording.position, recording.heading])
    within, spread = [], []
    for number, reading in enumerate(recording.readings):
        feed(car, [reading])
        if number % 100 or reading.stamp < rover.rest + 5.0:
            continue
        true = np.array([np.interp(car.estimate.stamp, recording.stamp, axis) for axis in truth.T])
        _, place, covariance = car.odometry
        error = np.array([*place[:2], yaw(car.odometry.attitude)]) - (true - truth[0])
        within.append(error @ np.linalg.solve(covariance, error) < 7.8)  # 95 % of 3 numbers
        spread.append(np.trace(covariance))
    assert np.mean(within) >= 0.9
    assert spread[-1] > 4.0 * spread[len(spread) // 4]


def test_gnss_does_not_make_the_drift_of_the_odometry_smaller() -> None:
    car, spread = WheeledFilter(CAR), []
    for m in drive(30.0).measurements:
        feed(car, [m])
        spread.append(car.odometry.covariance[2, 2])
    assert np.all(np.diff(spread) >= 0.0)
    assert car.odometry.covariance[2, 2] > 1e-6


@pytest.mark.parametrize("gap", [1.0, 60.0], ids=["bridged", "begun anew"])
def test_a_gap_in_the_readings_makes_the_drift_larger(gap: float) -> None:
    """Nothing of the way meanwhile is seen."""
    driven, car = drive(10.0).measurements, WheeledFilter(CAR)
    feed(car, driven)
    before, speed = car.odometry.covariance.copy(), np.linalg.norm(car.state["velocity"])
    for late in [m for m in driven if isinstance(m, Imu)][-20:]:  # the first might be a slip
        car.predict(late._replace(stamp=late.stamp + gap))
    grown = np.sqrt(np.diag(car.odometry.covariance - before))
    assert np.all(grown[:2] > (1.0 if gap < 10.0 else speed * gap))
    assert grown[2] > 0.2 * gap
