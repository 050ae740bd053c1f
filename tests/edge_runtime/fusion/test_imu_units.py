"""Which motions and sensors are taken for a gyroscope in deg/s, and which are not."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu
from edge_runtime.fusion.plausibility import GYRO_UNIT, ImuCheck
from edge_runtime.signals import Float

NOISE, FORCE_NOISE = 0.003, 0.03  # rad/s and m/s^2 of each reading
Rate = Callable[[float], tuple[float, float, float]]


def stream(
    rate: Rate,
    hertz: float = 100.0,
    seconds: float = 12.0,
    mounted: float = 0.0,
    seed: int = 0,
    noise: float = NOISE,
) -> Iterator[Imu]:
    """A body that turns at a rate, about world axes that hardly tip it; `mounted` rolls its IMU."""
    rng = np.random.default_rng(seed)
    c, s = math.cos(mounted), math.sin(mounted)
    turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    tilt = np.zeros(2)
    for k in range(round(seconds * hertz)):
        t = k / hertz
        gyro = np.array(rate(t))
        tilt += gyro[:2] / hertz
        down = GRAVITY * np.array([-tilt[1], tilt[0], 1.0])
        yield Imu(
            t,
            turn @ gyro + noise * rng.standard_normal(3),
            turn @ down + FORCE_NOISE * rng.standard_normal(3),
        )


def yaw(amplitude: float, hertz: float) -> Rate:
    return lambda t: (0.0, 0.0, amplitude * math.sin(2 * math.pi * hertz * t))


def sway(amplitude: float, hertz: float) -> Rate:
    """An upright robot that sways about its ankles."""
    return lambda t: (
        amplitude * math.cos(2 * math.pi * hertz * t),
        0.7 * amplitude * math.cos(2 * math.pi * hertz * t + 1.0),
        0.0,
    )


def chatter(amplitude: float, every: int, hertz: float) -> Rate:
    """A joint that changes its mind at every control tick of `every` readings."""
    return lambda t: (amplitude * (-1.0) ** (round(t * hertz) // every), 0.0, 0.0)


MOTIONS = {
    "yaw 1 rad/s at 0.5 Hz": (yaw(1.0, 0.5), 100.0, 0.0),
    "yaw 3 rad/s at 2 Hz, IMU mounted on its side": (yaw(3.0, 2.0), 200.0, 1.2),
    "yaw 0.5 rad/s at 5 Hz": (yaw(0.5, 5.0), 50.0, 0.4),
    "yaw 6 rad/s at 0.2 Hz, slow IMU": (yaw(6.0, 0.2), 50.0, 0.0),
    "turntable": (lambda t: (0.0, 0.0, 1.5), 400.0, 0.7),
    "sway at 3 Hz": (sway(0.15, 3.0), 200.0, 0.0),
    "sway at 6 Hz": (sway(0.2, 6.0), 100.0, 0.0),
    "chatter at 25 Hz": (chatter(0.1, 1, 50.0), 50.0, 0.0),
    "chatter at 25 Hz, fast IMU": (chatter(0.1, 4, 200.0), 200.0, 0.0),
    "large offset": (lambda t: (0.0, 0.0, 0.4), 100.0, 0.0),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("motion", MOTIONS.values(), ids=MOTIONS.keys())
def test_motion_in_radians_is_not_taken_for_degrees(
    motion: tuple[Rate, float, float], seed: int
) -> None:
    rate, hertz, mounted = motion
    check = ImuCheck()
    verdicts = [check.check(imu).reason for imu in stream(rate, hertz, mounted=mounted, seed=seed)]
    assert GYRO_UNIT not in verdicts


@pytest.mark.parametrize("hertz", [50.0, 100.0, 400.0])
@pytest.mark.parametrize("noise", [0.0012, 0.005])
@pytest.mark.parametrize("bias", [0.0, 0.006])
def test_a_gyroscope_in_degrees_is_found_however_it_is_mounted(
    hertz: float, noise: float, bias: float
) -> None:
    for mounted in (0.0, 1.0):
        check = ImuCheck()
        for imu in stream(lambda t: (bias, -bias, bias), hertz, 3.0, mounted, noise=noise):
            verdict = check.check(imu._replace(gyro=np.degrees(imu.gyro)))
        assert verdict.reason == GYRO_UNIT


def rolling(stamp: float) -> tuple[Float, Float]:
    """Rate and specific force of a body that rolls to and fro."""
    angle = 0.8 * math.sin(2.0 * stamp)
    force = GRAVITY * np.array([0.0, math.sin(angle), math.cos(angle)])
    return np.array([1.6 * math.cos(2.0 * stamp), 0.0, 0.0]), force


@pytest.mark.parametrize("then", ["rests", "moves"])
def test_a_wrong_opinion_is_taken_back(then: str) -> None:
    """A gyroscope that began with an offset as large as in deg/s, and lost it."""
    check, rng = ImuCheck(), np.random.default_rng(0)
    for k in range(1600):
        stamp = 0.005 * k
        rate, force = np.zeros(3), np.array([0.0, 0.0, GRAVITY])
        if stamp < 3.0:
            rate = np.array([0.3, 0.0, 0.0])
        elif then == "moves":
            rate, force = rolling(stamp)
        noise = rng.standard_normal(6)
        verdict = check.check(Imu(stamp, rate + NOISE * noise[:3], force + 0.03 * noise[3:]))
        if k == 400:
            assert (verdict.usable, verdict.reason) == (False, GYRO_UNIT)
    assert (verdict.usable, verdict.reason) == (True, "")


def test_a_gyroscope_in_degrees_is_not_believed_because_it_moves() -> None:
    check, rng = ImuCheck(), np.random.default_rng(0)
    for k in range(4000):
        stamp = 0.005 * k
        rate, force = np.zeros(3), np.array([0.0, 0.0, GRAVITY])
        if stamp > 3.0:
            rate, force = rolling(stamp)
        noise = rng.standard_normal(6)
        gyro = np.degrees(0.3 * rate + NOISE * noise[:3])
        assert check.check(Imu(stamp, gyro, force + 0.03 * noise[3:])).usable or k > 190
    assert not check.check(Imu(stamp + 0.005, gyro, force)).usable
