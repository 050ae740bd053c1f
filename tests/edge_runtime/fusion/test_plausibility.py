"""Every fault of an IMU's stream, injected into one that is well."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.fusion import plausibility
from edge_runtime.fusion.imu_check_config import ImuCheckConfig
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu
from edge_runtime.fusion.plausibility import ImuCheck, ImuVerdict

PERIOD = 0.005
DEGREES = 180 / math.pi


def readings(count: int, seed: int = 0, start: float = 0.0) -> list[Imu]:
    """At rest: bias 0.3 deg/s, noise of a usual MEMS."""
    rng = np.random.default_rng(seed)
    return [
        Imu(
            start + k * PERIOD,
            np.array([0.005, -0.003, 0.004]) + 0.002 * rng.standard_normal(3),
            np.array([0.1, 0.2, GRAVITY]) + 0.03 * rng.standard_normal(3),
        )
        for k in range(count)
    ]


def judge(stream: list[Imu], config: ImuCheckConfig | None = None) -> list[ImuVerdict]:
    check = ImuCheck(config or ImuCheckConfig())
    return [check.check(imu) for imu in stream]


def test_a_good_stream_is_usable_and_its_times_add_up() -> None:
    verdicts = judge(readings(400))
    assert all(v.usable and v.reason == "" and v.gap == 0.0 for v in verdicts)
    assert verdicts[0].dt == 0.0
    assert sum(v.dt for v in verdicts) == pytest.approx(399 * PERIOD)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda imu: imu._replace(gyro=np.array([0.0, np.nan, 0.0])), plausibility.NOT_FINITE),
        (lambda imu: imu._replace(accel=np.array([np.inf, 0.0, 0.0])), plausibility.NOT_FINITE),
        (lambda imu: imu._replace(stamp=math.nan), plausibility.NOT_FINITE),
        (lambda imu: imu._replace(stamp=imu.stamp - PERIOD), plausibility.DUPLICATE),
        (lambda imu: imu._replace(stamp=imu.stamp - 1.0), plausibility.FROM_THE_PAST),
        (lambda imu: imu._replace(stamp=imu.stamp + 100.0), plausibility.LEAP),
        (lambda imu: imu._replace(gyro=np.array([0.0, -34.91, 0.0])), plausibility.SATURATED),
        (lambda imu: imu._replace(accel=np.array([0.0, 0.0, 156.91])), plausibility.SATURATED),
        (lambda imu: imu._replace(gyro=np.array([0.0, 20.0, 0.0])), plausibility.SPIKE),
        (lambda imu: imu._replace(accel=np.array([0.0, 0.0, -60.0])), plausibility.SPIKE),
    ],
)
def test_one_bad_reading_is_left_out_and_the_next_stands_for_it(
    broken: Callable[[Imu], Imu], reason: str
) -> None:
    stream = readings(300)
    stream[200] = broken(stream[200])
    verdicts = judge(stream)
    assert verdicts[200] == (False, reason, 0.0, 0.0)
    assert verdicts[201].usable
    assert verdicts[201].dt == pytest.approx(2 * PERIOD)
    assert all(v.usable and not v.reason for v in verdicts[:200] + verdicts[202:])


def test_lost_readings_are_bridged_and_reported() -> None:
    stream = readings(300)
    del stream[200:210]
    verdicts = judge(stream)
    assert verdicts[200] == (True, plausibility.DROPOUT, pytest.approx(11 * PERIOD), 0.0)
    assert not verdicts[201].reason


@pytest.mark.parametrize("leap", [-3600.0, -0.5, 0.5, 1e6])
def test_a_clock_that_jumped_is_believed_once_it_goes_on(leap: float) -> None:
    stream = [
        imu._replace(stamp=imu.stamp + leap) if k >= 200 else imu
        for k, imu in enumerate(readings(300))
    ]
    verdicts = judge(stream)
    assert [v.usable for v in verdicts[200:205]] == [False] * 4 + [True]
    assert verdicts[204].reason == plausibility.GAP
    assert verdicts[204].gap > 0.0
    assert all(v.dt == pytest.approx(PERIOD, rel=1e-3) for v in verdicts[204:])
    assert all(not v.reason for v in verdicts[205:])


def test_a_long_silence_is_a_gap_and_not_integrated() -> None:
    stream = readings(200) + readings(100, start=10.0)
    gaps = [v for v in judge(stream) if v.gap]
    assert len(gaps) == 1
    assert gaps[0].dt == pytest.approx(PERIOD)
    assert gaps[0].gap == pytest.approx(9.0, abs=0.1)


def test_packets_that_overtake_each_other_are_left_out() -> None:
    stream = readings(300)
    stream[200:203] = [stream[202], stream[200], stream[201]]
    verdicts = judge(stream)
    assert [v.usable for v in verdicts[199:204]] == [True, True, False, False, True]
    assert all(v.gap == 0.0 for v in verdicts)


@pytest.mark.parametrize("sensor", ["gyro", "accel"])
def test_a_frozen_sensor_is_found_and_its_return_too(sensor: str) -> None:
    stream = readings(500)
    held = getattr(stream[199], sensor)
    stream[200:400] = [imu._replace(**{sensor: held}) for imu in stream[200:400]]
    verdicts = judge(stream)
    frozen = [v.reason == plausibility.FROZEN for v in verdicts]
    assert not any(frozen[:205]) and all(frozen[210:400]) and not any(frozen[400:])
    assert verdicts[400].gap == pytest.approx(190 * PERIOD, abs=2 * PERIOD)  # it may have turned
    assert all(v.usable for v in verdicts[400:])


def test_a_slow_sensor_on_a_fast_bus_is_not_frozen() -> None:
    stream = readings(2000)
    stream = [
        Imu(k * 5e-4, stream[k - k % 4].gyro, stream[k - k % 4].accel) for k in range(len(stream))
    ]
    assert all(v.usable for v in judge(stream))


def test_the_impacts_of_walking_are_believed() -> None:
    stream = readings(2000)
    for k in range(100, 2000, 80):  # a step each 0.4 s
        stream[k] = stream[k]._replace(accel=np.array([5.0, -20.0, 70.0]))
        stream[k + 1] = stream[k + 1]._replace(accel=np.array([-5.0, 15.0, 50.0]))
    left_out = [k for k, v in enumerate(judge(stream)) if not v.usable]
    assert len(left_out) <= 2


def test_spikes_of_the_gyroscope_are_never_believed() -> None:
    stream = readings(2000)
    hit = range(100, 2000, 150)
    for k in hit:
        stream[k] = stream[k]._replace(gyro=np.array([20.0, 0.0, 0.0]))
    assert [k for k, v in enumerate(judge(stream)) if not v.usable] == list(hit)


def test_wild_motion_is_believed_after_two_readings() -> None:
    rng = np.random.default_rng(0)
    stream = readings(400)
    for k in range(200, 400):
        stream[k] = stream[k]._replace(gyro=6.0 * rng.standard_normal(3))
    verdicts = judge(stream, ImuCheckConfig(check_units=False))
    assert sum(not v.usable for v in verdicts) <= 8


def test_a_blow_that_lasts_is_believed_at_its_second_reading() -> None:
    stream = readings(400)
    blow = [imu._replace(accel=imu.accel + np.array([60.0, 0, 0])) for imu in stream[200:240]]
    stream[200:240] = blow
    left_out = [k for k, v in enumerate(judge(stream)) if not v.usable]
    assert left_out == [200]


@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_a_gyroscope_in_degrees_is_found_at_rest(noise: float) -> None:
    rng = np.random.default_rng(1)
    rates = [0.005, -0.003, 0.004] + noise * rng.standard_normal((400, 3))
    stream = [imu._replace(gyro=DEGREES * w) for imu, w in zip(readings(400), rates)]
    config = ImuCheckConfig(frozen_after=0.0)
    verdicts = judge(stream, config)
    assert verdicts[-1] == (False, plausibility.GYRO_UNIT, 0.0, 0.0)
    assert next(k for k, v in enumerate(verdicts) if not v.usable) <= 1.05 / PERIOD
    assert "rad/s" in plausibility.GYRO_UNIT


def test_an_accelerometer_in_g_is_found_at_rest() -> None:
    stream = [imu._replace(accel=imu.accel / GRAVITY) for imu in readings(400)]
    assert judge(stream)[-1].reason == plausibility.ACCEL_UNIT


def test_wrong_units_are_found_at_the_first_rest_after_starting_in_motion() -> None:
    stream = readings(1200)
    for k in range(600):
        swing = 3.0 * math.sin(0.05 * k)
        stream[k] = Imu(
            k * PERIOD, np.array([swing, 0, 0]), stream[k].accel + np.array([0, swing, 0])
        )
    stream = [imu._replace(gyro=DEGREES * imu.gyro) for imu in stream]
    config = ImuCheckConfig(gyro_range=2000.0)
    verdicts = judge(stream, config)
    assert verdicts[-1].reason == plausibility.GYRO_UNIT


def test_a_turntable_in_radians_is_not_mistaken_for_degrees() -> None:
    stream = [imu._replace(gyro=imu.gyro + np.array([0, 0, 1.5])) for imu in readings(600)]
    assert all(v.usable for v in judge(stream))


def test_reset_forgets_wrong_units() -> None:
    check = ImuCheck()
    for imu in readings(400):
        check.check(imu._replace(gyro=DEGREES * imu.gyro))
    check.reset()
    assert all(check.check(imu).usable for imu in readings(400, start=-50.0))


def streams() -> Iterator[st.SearchStrategy[float]]:
    anything = st.floats(allow_nan=True, allow_infinity=True)
    yield st.one_of(anything, st.sampled_from([0.0, 0.005, 0.01, 0.015, 0.3, 10.0, -1.0]))
    yield st.one_of(anything, st.sampled_from([0.0, 9.81, 200.0, -30.0]))


def test_a_disturbance_at_start_up_is_not_mistaken_for_a_wrong_unit() -> None:
    stream = readings(600)
    for k in range(100, 600, 150):  # not large enough to be a spike
        stream[k] = stream[k]._replace(gyro=np.array([0.0, 2.9, 0.0]))
    assert all(v.usable for v in judge(stream))


@given(st.lists(st.tuples(*streams()), max_size=60))
def test_whatever_comes_in_the_times_are_finite_and_not_negative(
    stream: list[tuple[float, float]],
) -> None:
    check = ImuCheck()
    for stamp, value in stream:
        verdict = check.check(Imu(stamp, np.full(3, value), np.array([value, 0.0, 9.81])))
        assert math.isfinite(verdict.dt) and verdict.dt >= 0.0
        assert math.isfinite(verdict.gap) and verdict.gap >= 0.0
        assert verdict.dt <= check.config.longest_bridge
        assert verdict.usable or (verdict.reason and verdict.dt == 0.0)
