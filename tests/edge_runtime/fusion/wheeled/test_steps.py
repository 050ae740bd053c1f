"""What the car's estimator makes of an accelerometer that is shaken or struck."""

from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu, Wheels
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.fusion.wheeled.state import D

CONFIG = WheeledConfig()
PERIOD = 0.005  # s
LEAST = CONFIG.accel_noise**2 / PERIOD  # (m/s^2)^2
UP = np.array([0.0, 0.0, GRAVITY])


def readings(seconds: float, std: float = 0.0, start: float = 0.0, seed: int = 0) -> list[Imu]:
    rng = np.random.default_rng(seed)
    count = round(seconds / PERIOD)
    noise = std * rng.standard_normal((count, 3))
    gyro = 1e-4 * rng.standard_normal((count, 3))
    return [Imu(start + PERIOD * k, gyro[k], UP + noise[k]) for k in range(count)]


def driven(stream: list[Imu]) -> WheeledFilter:
    car = WheeledFilter(CONFIG, gnss=False)
    for imu in stream:
        car.predict(imu)
    return car


def shake(car: WheeledFilter) -> float:
    return float(np.mean(car.state["shake"]))


def test_noise_above_what_is_configured_is_found_and_forgotten() -> None:
    std = 3.0 * LEAST**0.5
    stream = readings(4.0, std)
    car = driven(stream)
    levels = []
    for imu in readings(4.0, std, 4.0, seed=1):
        car.predict(imu)
        levels.append(shake(car))
    assert np.mean(levels) == pytest.approx(std**2, rel=0.25)
    for imu in readings(3.0, 1e-3, 8.0):
        car.predict(imu)
    assert shake(car) == pytest.approx(LEAST)


def test_blows_are_no_noise() -> None:
    stream = readings(4.0, LEAST**0.5)
    calm = driven(stream)
    struck = list(stream)
    for k in range(50, len(struck), 100):
        struck[k] = struck[k]._replace(accel=struck[k].accel + 25.0)
    assert shake(driven(struck)) < 1.5 * shake(calm)


def test_other_sensors_between_two_readings_are_no_noise() -> None:
    stream = readings(4.0, 2.0 * LEAST**0.5)
    alone, accompanied = WheeledFilter(CONFIG, gnss=False), WheeledFilter(CONFIG, gnss=False)
    level = {alone: 0.0, accompanied: 0.0}
    for k, imu in enumerate(stream):
        if k % 4 == 3:
            speed = np.full(len(CONFIG.wheels), 5.0)
            accompanied.update(Wheels(imu.stamp - 0.001, speed, 0.0))
        for car in level:
            car.predict(imu)
            level[car] += shake(car)
    assert level[accompanied] == pytest.approx(level[alone])


@pytest.mark.parametrize(("back", "counts"), [(False, 0.25), (True, 2.0)])
def test_a_jolt_widens_the_velocity_by_what_is_not_known_of_it(back: bool, counts: float) -> None:
    calm = readings(2.0, 0.01)
    struck, jolt = list(calm), 25.0
    for k in range(300, 301 if back else len(calm)):
        struck[k] = replace_accel(struck[k], jolt)
    grown = np.diag(driven(struck[:303]).covariance - driven(calm[:303]).covariance)
    assert grown[D.velocity] == pytest.approx(counts * (jolt * PERIOD) ** 2, rel=0.1)


def replace_accel(imu: Imu, forward: float) -> Imu:
    return imu._replace(accel=imu.accel + np.array([forward, 0.0, 0.0]))


def test_a_silence_is_no_jolt_back() -> None:
    stream = readings(2.0, 0.01)
    stream[-1] = replace_accel(stream[-1], 25.0)
    car = driven(stream)
    assert car.state["change"][0] > 20.0
    for imu in readings(1.0, 0.01, stream[-1].stamp + 0.5):
        car.predict(imu)
        if car.state["read"] > stream[-1].stamp:
            break
    assert np.abs(car.state["change"]).max() < 1.0


def test_the_noise_of_a_filter_that_expects_more_is_that() -> None:
    rough = replace(CONFIG, accel_noise=10.0 * CONFIG.accel_noise)
    car = WheeledFilter(rough, gnss=False)
    for imu in readings(2.0, LEAST**0.5):
        car.predict(imu)
    assert shake(car) == pytest.approx(100.0 * LEAST)
