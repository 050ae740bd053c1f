"""A sensor that clips below its configured range is found by the plateaus that it makes."""

import math

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.imu_check_config import ImuCheckConfig
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu
from edge_runtime.fusion.plausibility import FROZEN, SATURATED, SPIKE, ImuCheck, ImuVerdict
from edge_runtime.replay.readers.request import rotation_of
from edge_runtime.signals import Float


def swinging(
    limit: float,
    hertz: float,
    amplitude: float,
    frequency: float,
    axis: int = 0,
    seconds: float = 15.0,
    step: float = 0.0,
    seed: int = 0,
) -> tuple[Float, Float]:
    """Gyroscope's readings, (K, 3) rad/s, before and after clipping and quantization."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * hertz)) / hertz
    phase = np.maximum(t - 5.0, 0.0)
    gyro = 0.003 * rng.standard_normal((len(t), 3)) + [0.002, -0.001, 0.003]
    gyro[:, axis] += amplitude * np.sin(2 * math.pi * frequency * phase)
    gyro[:, axis] += 0.27 * amplitude * np.sin(2 * math.pi * 0.31 * phase)
    if step:
        gyro = step * np.round(gyro / step)
    return gyro, np.clip(gyro, -limit, limit)


def judged(
    gyro: Float, hertz: float, accel: Float | None = None, mounting: Float | None = None
) -> list[ImuVerdict]:
    rng, config = np.random.default_rng(9), ImuCheckConfig()
    if accel is None:
        accel = [0.0, 0.0, GRAVITY] + 0.03 * rng.standard_normal(gyro.shape)
    if mounting is not None:
        config = ImuCheckConfig(mounting=tuple(mounting.ravel().tolist()))
        gyro, accel = gyro @ mounting.T, accel @ mounting.T
    check = ImuCheck(config)
    return [check.check(Imu(k / hertz, w, f)) for k, (w, f) in enumerate(zip(gyro, accel))]


@pytest.mark.parametrize(
    ("limit", "amplitude", "frequency"),
    [(7.36, 15.0, 0.7), (4.363, 8.0, 1.3), (2.18, 4.0, 2.0), (17.45, 30.0, 1.0), (7.36, 9.0, 0.3)],
)
@pytest.mark.parametrize("hertz", [50.0, 100.0, 200.0, 400.0])
def test_a_clipped_gyroscope_is_left_out(
    limit: float, amplitude: float, frequency: float, hertz: float
) -> None:
    for axis, step in ((0, 0.0), (1, 0.00107), (2, 0.004)):
        true, read = swinging(limit, hertz, amplitude, frequency, axis, step=step)
        clipped = (true != read).any(axis=1)
        verdicts = judged(read, hertz)
        found = np.array([v.reason == SATURATED for v in verdicts])
        assert clipped.sum() > 10
        missed = (clipped & ~found).sum() / hertz
        assert missed < 0.15, missed  # s: one plateau of each sign shows where it clips
        assert not (found & ~clipped & (np.abs(read) < 0.99 * limit).all(axis=1)).any()


MOUNTINGS = {
    "3 degrees": rotation_of((3.0, -2.0, 1.0)),
    "EuRoC": np.array(
        [
            [0.0148655429818, -0.999880929698, 0.00414029679422],
            [0.999557249008, 0.0149672133247, 0.025715529948],
            [-0.0257744366974, 0.00375618835797, 0.999660727178],
        ]
    ),
    "few digits": np.round(rotation_of((20.0, 30.0, 40.0)), 3),
}


@pytest.mark.parametrize("mounting", MOUNTINGS)
def test_a_clipped_gyroscope_is_left_out_however_it_is_mounted(mounting: str) -> None:
    _, read = swinging(7.36, 100.0, 15.0, 0.7)
    turned = judged(read, 100.0, mounting=MOUNTINGS[mounting])
    plain = judged(read, 100.0)
    assert sum(v.reason == SATURATED for v in plain) > 100
    assert [v.reason for v in turned] == [v.reason for v in plain]


def test_the_ranges_are_those_of_the_sensor_s_own_axes() -> None:
    _, read = swinging(99.0, 100.0, 3.0, 0.7)
    read[700], read[900] = [35.0, 0.0, 0.0], [30.0, 30.0, 0.0]
    mounting = rotation_of((0.0, 0.0, 45.0))
    reasons = [v.reason for v in judged(read, 100.0, mounting=mounting)]
    assert (reasons[700], reasons[900]) == (SATURATED, SPIKE)


def test_a_mounting_that_is_no_rotation_is_refused() -> None:
    for numbers in ((1.0, 0.0), (0.0,) * 9):
        with pytest.raises(UserError, match="nine numbers"):
            ImuCheckConfig(mounting=numbers)


@pytest.mark.parametrize("step", [0.0, 0.00107, 0.004])
@pytest.mark.parametrize("hertz", [50.0, 200.0, 1000.0])
def test_a_gyroscope_within_its_range_is_not_clipped(hertz: float, step: float) -> None:
    for seed, frequency in enumerate((0.2, 0.7, 3.0)):
        _, read = swinging(99.0, hertz, 9.0, frequency, seed % 3, step=step, seed=seed)
        assert all(v.reason != SATURATED for v in judged(read, hertz))


def test_a_sensor_slower_than_its_bus_is_not_clipped() -> None:
    _, read = swinging(99.0, 100.0, 9.0, 0.7)
    assert all(v.usable for v in judged(np.repeat(read, 4, axis=0), 400.0))


def test_a_limit_that_is_exceeded_was_none() -> None:
    true, read = swinging(7.36, 100.0, 15.0, 0.7, seconds=20.0)
    read[1400:] = true[1400:]  # as if it had been switched to another range
    verdicts = judged(read, 100.0)
    assert sum(not v.usable for v in verdicts[:1400]) > 100
    assert sum(not v.usable for v in verdicts[1450:]) < 5


def test_a_clipped_accelerometer_is_said_but_its_gyroscope_is_used() -> None:
    rng = np.random.default_rng(0)
    force = np.tile([0.0, 0.0, GRAVITY], (3000, 1))
    for start in range(600, 3000, 120):  # a step of 60 ms each 0.6 s
        force[start : start + 12, 2] += 20.0 * np.sin(np.linspace(0.2, 3.0, 12))
    force += 0.05 * rng.standard_normal(force.shape)
    clipped = force[:, 2] > 19.6
    gyro = 0.01 * rng.standard_normal((3000, 3))
    verdicts = judged(gyro, 200.0, np.clip(force, -19.6, 19.6))
    said = np.array([v.reason == SATURATED for v in verdicts])
    assert all(v.usable for v in verdicts)
    assert said[clipped].mean() > 0.9 and not said[~clipped].any()


def test_an_accelerometer_that_stays_clipped_is_not_used() -> None:
    rng = np.random.default_rng(0)
    force = np.tile([0.0, 0.0, GRAVITY], (1000, 1)) + 0.05 * rng.standard_normal((1000, 3))
    force[400:] += np.linspace(0.0, 90.0, 600)[:, None] * [0, 0, 1]
    verdicts = judged(0.01 * rng.standard_normal((1000, 3)), 200.0, np.clip(force, -39.2, 39.2))
    assert (verdicts[-1].usable, verdicts[-1].reason) == (False, SATURATED)


def test_a_reading_that_repeats_as_a_whole_is_frozen_not_clipped() -> None:
    _, read = swinging(99.0, 200.0, 9.0, 0.7)
    read[1500:1600] = read[1500]
    reasons = {v.reason for v in judged(read, 200.0)}
    assert FROZEN in reasons and SATURATED not in reasons
