"""A coarse sensor, a frozen one, and one that is stuck on an axis are not taken for each other."""

import math

import numpy as np
import pytest

from edge_runtime.fusion.attitude.filter import AttitudeFilter
from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu
from edge_runtime.fusion.plausibility import FROZEN, STUCK, ImuCheck
from edge_runtime.rotations import multiply, rotation_matrix
from edge_runtime.signals import Float

HERTZ = 100.0
STILL, MOVING, END = 8.0, 16.0, 24.0  # s: rest, motion, rest
GYRO_NOISE, ACCEL_NOISE = 0.003, 0.03


def readings(
    gyro_step: float = 0.0,
    accel_step: float = 0.0,
    gyro_noise: float = GYRO_NOISE,
    accel_noise: float = ACCEL_NOISE,
    seed: int = 0,
    hertz: float = HERTZ,
) -> tuple[Float, Float, Float]:
    """Rest, rotation about all axes, rest; rounded to steps.

    Returns:
        Gyroscope, rad/s, accelerometer, m/s^2, and the vertical in the body, (K, 3) each.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(END * hertz)) / hertz
    moves = ((t >= STILL) & (t < MOVING))[:, None]
    hz = np.array([0.7, 0.5, 0.31])
    rate = moves * [1.6, 1.3, 1.0] * np.sin(2 * math.pi * hz * (t[:, None] - STILL))
    attitude = np.array([[1.0, 0.0, 0.0, 0.0]])
    up = []
    for w in rate:
        step = np.concatenate([[1.0], 0.5 * w / hertz])[None]
        attitude = multiply(attitude, step / np.linalg.norm(step))
        up.append(rotation_matrix(attitude)[0, 2])
    gyro = rate + [0.012, -0.002, 0.003] + gyro_noise * rng.standard_normal(rate.shape)
    accel = GRAVITY * np.array(up) + accel_noise * rng.standard_normal(rate.shape)
    if gyro_step:
        gyro = gyro_step * np.round(gyro / gyro_step)
    if accel_step:
        accel = accel_step * np.round(accel / accel_step)
    return gyro, accel, np.array(up)


def reasons(gyro: Float, accel: Float, hertz: float = HERTZ) -> list[str]:
    check = ImuCheck()
    return [check.check(Imu(k / hertz, w, f)).reason for k, (w, f) in enumerate(zip(gyro, accel))]


COARSE = {
    "two decimals": {"gyro_step": 0.01, "accel_step": 0.01},
    "two decimals, little noise": {
        "gyro_step": 0.01,
        "accel_step": 0.01,
        "gyro_noise": 0.0008,
        "accel_noise": 0.002,
    },
    "1 deg/s": {"gyro_step": math.radians(1.0)},
    "0.038 m/s^2": {"accel_step": 0.038, "accel_noise": 0.005},
    "both": {"gyro_step": math.radians(1.0), "accel_step": 0.038, "accel_noise": 0.005},
}


@pytest.mark.parametrize("hertz", [50.0, 100.0, 400.0])
@pytest.mark.parametrize("kind", COARSE)
def test_a_coarse_sensor_at_rest_is_not_frozen(kind: str, hertz: float) -> None:
    for seed in range(3):
        gyro, accel, _ = readings(**COARSE[kind], seed=seed, hertz=hertz)
        said = reasons(gyro, accel, hertz)
        assert not {FROZEN, *STUCK} & set(said), set(said)


@pytest.mark.parametrize("kind", COARSE)
def test_the_attitude_of_a_coarse_sensor_is_good_and_right(kind: str) -> None:
    gyro, accel, up = readings(**COARSE[kind])
    filter_, good = AttitudeFilter(), 0
    for k, (w, f) in enumerate(zip(gyro, accel)):
        filter_.predict(Imu(k / HERTZ, w, f))
        estimate = filter_.estimate
        good += estimate.health is Health.GOOD
        a, b, c, d = estimate.attitude
        seen = [2 * (b * d - a * c), 2 * (a * b + c * d), 1 - 2 * (b * b + c * c)]
        if estimate.health is Health.GOOD:
            assert np.degrees(np.arccos(min(seen @ up[k], 1.0))) < 3.0
    assert good / len(up) > 0.8


@pytest.mark.parametrize("sensor", ["gyro", "accel", "both"])
@pytest.mark.parametrize("kind", ["fine", *COARSE])
def test_one_that_freezes_in_motion_is_found(kind: str, sensor: str) -> None:
    for begin in (1000, 1037, 1081):
        gyro, accel, _ = readings(**COARSE.get(kind, {}))
        for values, name in ((gyro, "gyro"), (accel, "accel")):
            if sensor in (name, "both"):
                values[begin:1500] = values[begin]
        said = reasons(gyro, accel)
        found = [k for k in range(begin, 1500) if said[k] == FROZEN]
        assert found and found[0] - begin < 40, found[:1]
        assert FROZEN not in said[:begin] + said[1520:]


@pytest.mark.parametrize("step", [0.0, 0.00107])
@pytest.mark.parametrize("sensor", ["gyro", "accel"])
def test_a_fine_one_that_freezes_at_rest_is_found_as_fast_as_ever(sensor: str, step: float) -> None:
    for begin in (100, 400):
        gyro, accel, _ = readings(gyro_step=step, accel_step=4.5 * step)
        values = gyro if sensor == "gyro" else accel
        values[begin : begin + 100] = values[begin]
        said = reasons(gyro, accel)
        assert all(why == FROZEN for why in said[begin + 6 : begin + 100])
        assert FROZEN not in said[: begin + 5]


@pytest.mark.parametrize("step", [0.0, 0.00107])
@pytest.mark.parametrize("axis", range(6))
def test_one_stuck_axis_is_named(axis: int, step: float) -> None:
    for begin in (0, 500, 1000):
        if begin == 0 and axis >= 3:
            continue  # a planar robot has such an accelerometer
        gyro, accel, _ = readings(gyro_step=step, accel_step=4.5 * step)
        values = np.concatenate([gyro, accel], axis=1)
        values[begin:1600, axis] = values[begin, axis] if begin else 0.0
        said = reasons(values[:, :3], values[:, 3:])
        found = [k for k, why in enumerate(said) if why == STUCK[axis]]
        assert found and found[0] - begin < 110
        assert all(why == STUCK[axis] for why in said[found[0] : 1600])
        assert set(said[:begin] + said[1620:]) == {""}


def test_axes_that_a_planar_robot_makes_up_are_not_stuck() -> None:
    gyro, accel, _ = readings()
    gyro[:, :2], accel[:, 2] = 0.0, GRAVITY
    accel[:, :2] = 0.03 * np.random.default_rng(1).standard_normal((len(accel), 2))
    assert not {FROZEN, *STUCK} & set(reasons(gyro, accel))


def test_an_axis_about_which_a_coarse_sensor_does_not_turn_is_not_stuck() -> None:
    for kind in COARSE.values():
        gyro, accel, _ = readings(**kind)
        gyro[:, 0] = kind.get("gyro_step", 0.0)
        if "gyro_step" in kind:
            assert not set(STUCK) & set(reasons(gyro, accel))


def test_a_gyroscope_of_zeros_from_the_start_is_not_a_coarse_one() -> None:
    gyro, accel, _ = readings()
    assert set(reasons(0.0 * gyro, accel)[10:]) == {FROZEN}


def test_a_turntable_leaves_a_coarse_accelerometer_as_it_is() -> None:
    gyro, accel, _ = readings(accel_step=0.038, accel_noise=0.004)
    accel[:] = [0.0, 0.0, 0.038 * 258]
    gyro[500:, 2] += 1.5
    assert FROZEN not in reasons(gyro[:800], accel[:800])
