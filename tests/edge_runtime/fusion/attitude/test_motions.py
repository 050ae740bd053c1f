"""Over every kind of motion: as good as VQF's defaults while GOOD, and no surer than right."""

import math

import numpy as np
import pytest
from estimation.attitude_motions import MOTIONS, Motion, judge, record

from edge_runtime.fusion.attitude import filter as attitude_filter
from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu
from edge_runtime.fusion.plausibility import SATURATED
from edge_runtime.signals import Float


@pytest.mark.parametrize("name", MOTIONS)
def test_it_is_as_good_as_vqf_while_it_says_good(name: str) -> None:
    found = judge(record(MOTIONS[name], seed=3))
    assert found.rms(found.inclination) <= 1.1 * found.rms(found.peer) + 0.1
    assert found.within >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 12))
@pytest.mark.parametrize("name", MOTIONS)
def test_it_is_as_good_with_other_noises(name: str, seed: int) -> None:
    found = judge(record(MOTIONS[name], seed))
    assert found.rms(found.inclination) <= 1.2 * found.rms(found.peer) + 0.2
    assert found.within >= 0.9


UP = np.array([0.1, -0.2, 1.0]) / math.sqrt(1.05)  # in the body at rest


def upwards(estimate: Estimate) -> Float:
    """The vertical in the body, by the estimate."""
    w, i, j, k = estimate.attitude
    return np.array([2 * (i * k - w * j), 2 * (w * i + j * k), 1 - 2 * (i * i + j * j)])


def at_rest(bias: Float, hertz: float, seconds: float = 20.0, seed: int = 0) -> list[Imu]:
    rng = np.random.default_rng(seed)
    return [
        Imu(
            k / hertz,
            bias + 0.003 * rng.standard_normal(3),
            GRAVITY * UP + 0.03 * rng.standard_normal(3),
        )
        for k in range(round(seconds * hertz))
    ]


@pytest.mark.parametrize("hertz", [50.0, 100.0, 400.0])
@pytest.mark.parametrize(
    "bias", [[0.078, 0, 0], [0, 0.05, 0], [0, 0, 0.08], [0.1, -0.1, 0.05], [-0.15, 0, 0]], ids=str
)
def test_a_large_bias_is_learnt_at_rest(bias: list[float], hertz: float) -> None:
    filter_ = AttitudeFilter()
    for imu in at_rest(np.array(bias), hertz):
        filter_.predict(imu)
        estimate = filter_.estimate
        if estimate.health is Health.GOOD:
            assert np.degrees(np.arccos(min(upwards(estimate) @ UP, 1.0))) < 1.0
    assert estimate.health is Health.GOOD
    np.testing.assert_allclose(estimate.gyro_bias, bias, atol=0.003)


def test_a_bias_beyond_the_clip_is_not_learnt_and_never_good() -> None:
    filter_ = AttitudeFilter(AttitudeConfig(gyro_bias_clip=0.06))
    healths = []
    for imu in at_rest(np.array([0.12, 0.0, 0.0]), 100.0, 30.0):
        filter_.predict(imu)
        healths.append(filter_.estimate.health)
    assert Health.GOOD not in healths
    assert filter_.estimate.reason == attitude_filter.UNSURE


def test_the_prior_of_the_bias_is_how_unsure_it_is_at_first() -> None:
    sure, unsure = (AttitudeFilter(AttitudeConfig(gyro_bias_std=std)) for std in (0.002, 0.2))
    for imu in at_rest(np.zeros(3), 100.0, 0.3):
        sure.predict(imu)
        unsure.predict(imu)
    heading = [filter_.estimate.covariance[2, 2] for filter_ in (sure, unsure)]
    assert heading[0] < heading[1]


@pytest.mark.parametrize("hertz", [50.0, 100.0, 400.0])
@pytest.mark.parametrize("limit", [7.36, 4.363])
def test_a_gyroscope_that_clips_is_not_good_while_the_tilt_is_wrong(
    limit: float, hertz: float
) -> None:
    rng, filter_ = np.random.default_rng(0), AttitudeFilter(AttitudeConfig(delay=0.0))
    angle, reasons, wrong = 0.0, set(), 0
    for k in range(round(40.0 * hertz)):
        t = k / hertz
        rate = 15 * math.sin(2 * math.pi * 0.7 * (t - 5)) + 4 * math.sin(
            2 * math.pi * 0.31 * (t - 5)
        )
        rate *= t > 5.0
        angle += rate / hertz
        gyro = np.clip([rate, 0.0, 0.0] + 0.003 * rng.standard_normal(3), -limit, limit)
        up = np.array([0.0, math.sin(angle), math.cos(angle)])
        filter_.predict(Imu(t, gyro, GRAVITY * up + 0.03 * rng.standard_normal(3)))
        estimate = filter_.estimate
        reasons.add(estimate.reason)
        if estimate.health is Health.GOOD:
            wrong += math.degrees(math.acos(min(upwards(estimate) @ up, 1.0))) > 5.0
    assert SATURATED in reasons
    assert wrong / hertz < 0.15  # s


@pytest.mark.parametrize("hertz", [50.0, 100.0, 200.0])
@pytest.mark.parametrize("rate", [10.0, 6.0])
def test_a_slow_turner_need_not_turn_faster(rate: float, hertz: float) -> None:
    """To and fro at a steady rate, or swinging, with a magnetometer."""
    for frequency in (0.05, 0.03):
        motion = Motion(
            yaw=(math.radians(rate), frequency), still=0.0, hertz=hertz, seconds=60.0, bias=0.005
        )
        found = judge(record(motion, seed=1))
        late = found.stamp > 20.0
        assert found.good[late].mean() > 0.9, set(found.reasons)


def test_a_body_that_turns_to_and_fro_from_the_first_sample_is_good() -> None:
    found = judge(record(Motion(yaw=(1.0, 0.5), still=0.0, has_field=False)))
    assert found.health.min() > Health.LOST
    assert found.good[found.stamp > 6.0].all()
