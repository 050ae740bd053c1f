import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import Displacement, GnssFix, Imu, Measurement, Wheels
from edge_runtime.fusion.plausibility import GYRO_UNIT
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.signals import Float
from tests.edge_runtime.fusion.drive import (
    CAR,
    GYRO_BIAS,
    SCALE,
    Drive,
    drive,
    feed,
    numbers,
    truth_at,
)


def errors(car: WheeledFilter, driven: Drive) -> tuple[float, float, float]:
    """Heading rad, velocity m/s and horizontal position m."""
    estimate = car.estimate
    heading, velocity, position = truth_at(driven.truth, estimate.stamp)
    r = quaternion_to_matrix(estimate.attitude)
    turned = math.atan2(r[1, 0], r[0, 0]) - heading
    return (
        abs(math.remainder(turned, 2 * math.pi)),
        float(np.linalg.norm(estimate.velocity - velocity)),
        float(np.linalg.norm((estimate.position - position)[:2])),
    )


def assert_sound(car: WheeledFilter) -> None:
    estimate = car.estimate
    for values in (estimate.attitude, estimate.velocity, estimate.position, estimate.covariance):
        assert np.isfinite(values).all()
    assert np.allclose(estimate.covariance, estimate.covariance.T, atol=1e-9)
    assert np.linalg.eigvalsh(car.covariance).min() > -1e-9


@pytest.fixture(scope="module")
def minute() -> Drive:
    return drive(60.0)


def test_it_finds_motion_place_biases_and_wheel_scale(minute: Drive) -> None:
    car = WheeledFilter(CAR)
    feed(car, minute.measurements)
    heading, velocity, position = errors(car, minute)
    assert heading < 0.02 and velocity < 0.15 and position < 1.8
    assert np.abs(car.estimate.gyro_bias - GYRO_BIAS).max() < 0.001
    assert abs(car.state["wheel_scale"] - SCALE) < 0.004
    assert car.estimate.health is Health.GOOD and car.estimate.reason == ""
    assert_sound(car)


def test_its_covariance_is_right() -> None:
    inside, mean = [], []
    for seed in range(6):
        driven, car = drive(25.0, seed=seed, heading=seed), WheeledFilter(CAR)
        for m in driven.measurements:
            feed(car, [m])
            if m.stamp > 2.0 and isinstance(m, GnssFix):
                estimate = car.estimate
                _, velocity, position = truth_at(driven.truth, estimate.stamp)
                error = np.concatenate([velocity - estimate.velocity, position - estimate.position])
                nees = error @ np.linalg.solve(estimate.covariance[3:, 3:], error)
                inside.append(nees < 14.449)
                mean.append(nees)
    assert np.mean(inside) > 0.9
    assert 1.5 < np.mean(mean) < 9.0  # 6 expected; errors of the wheels are taken for worse


def test_heading_is_not_known_until_gnss_sees_it_move() -> None:
    driven = drive(12.0, speed=lambda t: np.clip(t - 4.0, 0.0, 5.0), heading=2.5)
    car, health = WheeledFilter(CAR), {}
    for m in driven.measurements:
        feed(car, [m])
        health[m.stamp] = car.estimate.health
    assert {h for t, h in health.items() if 0.1 < t < 4.5} == {Health.INITIALISING}
    assert health[max(health)] is Health.GOOD
    assert errors(car, driven)[0] < 0.05


def test_a_receiver_without_velocity_tells_the_heading_by_the_way_it_went() -> None:
    driven, car = drive(20.0, heading=-2.0, velocity=False), WheeledFilter(CAR)
    feed(car, driven.measurements)
    heading, velocity, position = errors(car, driven)
    assert heading < 0.06 and velocity < 0.6 and position < 1.5


def test_it_starts_at_speed_with_the_heading_of_the_course() -> None:
    driven = drive(3.0, speed=lambda t: np.full_like(t, 25.0), heading=3.0)
    car = WheeledFilter(CAR)
    feed(car, driven.measurements)
    heading, velocity, _ = errors(car, driven)
    assert heading < 0.03 and velocity < 0.3


def test_reversing_does_not_turn_the_heading() -> None:
    driven, car = drive(10.0, speed=lambda t: np.full_like(t, -4.0)), WheeledFilter(CAR)
    feed(car, driven.measurements)
    assert car.estimate.health is Health.GOOD
    assert errors(car, driven)[0] < 0.1


def test_an_outage_drifts_little_is_reported_and_ends(minute: Drive) -> None:
    gone = minute.without(GnssFix, 30.0, 50.0)
    car = WheeledFilter(CAR)
    feed(car, [m for m in gone.measurements if m.stamp < 30.0])
    before = errors(car, gone)[2]
    spread = car.estimate.covariance[6, 6]
    feed(car, [m for m in gone.measurements if 30.0 <= m.stamp < 50.0])
    travelled = 20.0 * 8.0
    assert abs(errors(car, gone)[2] - before) < 0.008 * travelled
    assert car.estimate.covariance[6, 6] > spread
    assert car.estimate.health is Health.DEGRADED and "GNSS" in car.estimate.reason
    feed(car, [m for m in gone.measurements if m.stamp >= 50.0])
    assert car.estimate.health is Health.GOOD
    assert errors(car, gone)[2] < 1.8


def shifted(by: Float) -> Callable[[Measurement], Measurement]:
    def change(m: Measurement) -> Measurement:
        assert isinstance(m, GnssFix)
        return m._replace(position=m.position + by)

    return change


def test_multipath_is_refused(minute: Drive) -> None:
    jumped = minute.changed(GnssFix, shifted(np.array([30.0, -20.0, 5.0])), 40.0, 43.0)
    car = WheeledFilter(CAR)
    for m in jumped.measurements:
        feed(car, [m])
        if isinstance(m, GnssFix) and 40.0 <= m.stamp < 43.0:
            assert errors(car, jumped)[2] < 1.8
            assert car.estimate.covariance[6, 6] < 4.0
    assert errors(car, jumped)[2] < 1.8


def test_a_place_that_stays_elsewhere_is_believed_in_the_end(minute: Drive) -> None:
    away = np.array([80.0, -60.0, 0.0])
    moved = minute.changed(GnssFix, shifted(away), 20.0)
    car = WheeledFilter(CAR)
    feed(car, moved.measurements)
    _, _, position = truth_at(moved.truth, car.estimate.stamp)
    assert np.linalg.norm((car.estimate.position - position - away)[:2]) < 2.0
    assert car.estimate.health is Health.GOOD


@pytest.mark.parametrize("spinning", [(2,), (2, 3), (0, 1, 2, 3)])
def test_wheels_that_spin_are_refused(minute: Drive, spinning: tuple[int, ...]) -> None:
    def spin(m: Measurement) -> Measurement:
        assert isinstance(m, Wheels)
        speed = m.speed.copy()
        speed[list(spinning)] += 6.0 * (m.stamp - 30.0)
        return m._replace(speed=speed)

    spun = minute.without(GnssFix, 29.0).changed(Wheels, spin, 30.0, 31.5)
    car = WheeledFilter(CAR)
    for m in spun.measurements:
        feed(car, [m])
        if 30.0 < m.stamp < 33.0:
            assert errors(car, spun)[1] < 0.6
    assert errors(car, spun)[1] < 1.0


def test_locked_wheels_are_no_standstill(minute: Drive) -> None:
    def lock(m: Measurement) -> Measurement:
        assert isinstance(m, Wheels)
        return m._replace(speed=np.zeros(4))

    car = WheeledFilter(CAR)
    locked = minute.changed(Wheels, lock, 30.0, 32.5)
    for m in locked.measurements:
        feed(car, [m])
        if 30.0 < m.stamp < 33.0:
            assert errors(car, locked)[1] < 0.6


def test_at_rest_nothing_moves() -> None:
    stopped = drive(
        60.0,
        speed=lambda t: 8.0 * np.clip(1.0 - (t - 20.0) / 4.0, 0.0, 1.0),
        yaw_rate=lambda t: 0.15 * np.sin(0.3 * t) * (t < 22.0),
    ).without(GnssFix, 30.0)
    car = WheeledFilter(CAR)
    feed(car, [m for m in stopped.measurements if m.stamp < 30.0])
    heading, _, position = errors(car, stopped)
    feed(car, [m for m in stopped.measurements if m.stamp >= 30.0])
    after = errors(car, stopped)
    assert abs(after[0] - heading) < 0.01 and after[1] < 0.02 and abs(after[2] - position) < 0.1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e300])
def test_nothing_that_is_not_a_number_gets_in(minute: Drive, bad: float) -> None:
    car = WheeledFilter(CAR)
    feed(car, [m for m in minute.measurements if m.stamp < 20.0])
    t = 20.0
    vector = np.full(3, bad)
    for _ in range(10):
        t += 0.002
        car.predict(Imu(t, vector, vector))
        car.update(Wheels(t, np.full(4, bad), bad))
        car.update(GnssFix(t, vector, vector, vector, bad))
        car.update(Displacement(t, t - 0.05, vector, np.diag(vector)))
        car.update(GnssFix(bad, np.zeros(3), np.ones(3)))
        assert_sound(car)
    feed(car, [m for m in minute.measurements if t + 0.01 < m.stamp < 30.0])
    assert errors(car, minute)[1] < 0.3 and car.estimate.health is Health.GOOD


def test_wrong_sizes_and_foreign_kinds_are_refused() -> None:
    car = WheeledFilter(CAR)
    assert not car.update(Wheels(0.0, np.zeros(4), 0.0))  # not begun
    car.predict(Imu(0.0, np.zeros(3), np.array([0.0, 0.0, 9.8])))
    assert not car.update(Wheels(0.0, np.zeros(3), 0.0))


def test_a_short_silence_of_the_imu_is_bridged(minute: Drive) -> None:
    car = WheeledFilter(CAR)
    feed(car, minute.without(Imu, 30.0, 30.2).measurements)
    assert errors(car, minute)[1] < 0.2 and car.estimate.health is Health.GOOD


def test_a_long_silence_of_the_imu_is_reported_and_survived(minute: Drive) -> None:
    silent = minute.without(Imu, 30.0, 31.5).measurements
    car = WheeledFilter(CAR)
    feed(car, [m for m in silent if m.stamp < 31.4])
    assert car.estimate.health is Health.DEGRADED and "IMU" in car.estimate.reason
    feed(car, [m for m in silent if m.stamp >= 31.4])
    assert_sound(car)
    assert errors(car, minute)[1] < 0.3 and car.estimate.health is Health.GOOD


def test_an_imu_that_stays_silent_is_lost(minute: Drive) -> None:
    car = WheeledFilter(CAR)
    feed(car, minute.without(Imu, 30.0).measurements)
    assert car.estimate.health is Health.LOST
    assert_sound(car)


def test_frozen_imu_is_lost(minute: Drive) -> None:
    frozen: list[Imu] = []

    def freeze(m: Measurement) -> Measurement:
        assert isinstance(m, Imu)
        frozen.append(m)
        return m._replace(gyro=frozen[0].gyro, accel=frozen[0].accel)

    car = WheeledFilter(CAR)
    feed(car, minute.changed(Imu, freeze, 30.0, 34.0).without(Imu, 34.0).measurements)
    assert car.estimate.health is Health.LOST
    assert_sound(car)


def test_duplicates_and_times_gone_by_change_nothing(minute: Drive) -> None:
    plain, doubled = WheeledFilter(CAR), WheeledFilter(CAR)
    first = [m for m in minute.measurements if m.stamp < 10.0]
    feed(plain, first)
    for k, m in enumerate(first):
        feed(doubled, [m])
        assert not any(feed(doubled, [m]))
        if k % 50 == 49:
            feed(doubled, [first[k - 40]])
    assert np.array_equal(numbers(plain), numbers(doubled), equal_nan=True)


def test_a_clock_that_jumps_is_followed(minute: Drive) -> None:
    def later(m: Measurement) -> Measurement:
        return m._replace(stamp=m.stamp + 1000.0)

    car = WheeledFilter(CAR)
    jumped = minute
    for kind in (Imu, Wheels, GnssFix):
        jumped = jumped.changed(kind, later, 30.0, 900.0)
    feed(car, jumped.measurements)
    _, velocity, position = truth_at(minute.truth, car.estimate.stamp - 1000.0)
    assert np.linalg.norm(car.estimate.velocity - velocity) < 0.3
    assert np.linalg.norm((car.estimate.position - position)[:2]) < 1.5
    assert car.estimate.health is Health.GOOD


def test_degrees_instead_of_radians_are_found_at_rest() -> None:
    driven = drive(4.0, speed=lambda t: 0.0 * t, yaw_rate=lambda t: 0.0 * t, noise=0.5)
    car = WheeledFilter(CAR)

    def in_degrees(m: Measurement) -> Measurement:
        assert isinstance(m, Imu)
        return m._replace(gyro=np.degrees(m.gyro))

    feed(car, driven.changed(Imu, in_degrees, 0.0).measurements)
    assert car.estimate.health is Health.LOST and car.estimate.reason == GYRO_UNIT


def test_lidar_odometry_holds_the_speed_without_wheels(minute: Drive) -> None:
    rng = np.random.default_rng(1)
    given = minute.without(Wheels, 20.0).without(GnssFix, 20.0).measurements
    odometry: list[Measurement] = []
    for stamp in np.arange(20.1, 40.0, 0.1):
        psi, _, p = truth_at(minute.truth, stamp - 0.1)
        turned, _, q = truth_at(minute.truth, stamp)
        c, s = math.cos(psi), math.sin(psi)
        x, y, _ = q - p
        motion = np.array([c * x + s * y, c * y - s * x, turned - psi])
        motion += rng.normal(0.0, [0.02, 0.02, 0.002])
        covariance = np.diag([0.02, 0.02, 0.002]) ** 2
        odometry.append(Displacement(float(stamp), float(stamp - 0.1), motion, covariance))
    car, alone = WheeledFilter(CAR), WheeledFilter(CAR)
    feed(alone, [m for m in given if m.stamp < 40.0])
    both = sorted([*(m for m in given if m.stamp < 40.0), *odometry], key=lambda m: m.stamp)
    feed(car, both)
    assert errors(car, minute)[1] < 0.3 < errors(alone, minute)[1]


def test_reset_forgets_everything(minute: Drive) -> None:
    first = [m for m in minute.measurements if m.stamp < 5.0]
    car, fresh = WheeledFilter(CAR), WheeledFilter(CAR)
    feed(car, [m for m in minute.measurements if m.stamp < 9.0])
    car.reset()
    assert car.estimate.health is Health.INITIALISING
    feed(car, first)
    feed(fresh, first)
    assert np.array_equal(numbers(car), numbers(fresh), equal_nan=True)


_PLAIN = """
import numpy as np
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from tests.edge_runtime.fusion.drive import CAR, drive, feed, numbers
car = WheeledFilter(CAR)
feed(car, drive(1.5).measurements)
print(*map(repr, map(float, numbers(car))))
print(*map(repr, map(float, car.covariance.ravel())))
"""


def test_compiled_and_plain_give_the_same_numbers() -> None:
    root = Path(__file__).parents[4]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)}
    plain = subprocess.run(
        [sys.executable, "-c", _PLAIN],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    state, covariance = (np.array(line.split(), float) for line in plain.stdout.splitlines())
    car = WheeledFilter(CAR)
    feed(car, drive(1.5).measurements)
    np.testing.assert_allclose(numbers(car), state, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(car.covariance.ravel(), covariance, rtol=1e-9, atol=1e-9)
