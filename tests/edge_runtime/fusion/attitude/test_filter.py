"""Attitude by VQF: what it reaches, and what it says when a sensor fails."""

import math

import numpy as np
import pytest

from edge_runtime.fusion import plausibility
from edge_runtime.fusion.attitude import filter as attitude_filter
from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.measurement import GnssFix, Magnetometer
from edge_runtime.replay.errors_against_reference import errors_against_reference
from edge_runtime.replay.readers.broad import read_broad
from edge_runtime.replay.replay_log import replay_log
from edge_runtime.signals import Float
from tests.edge_runtime.fusion.recordings import (
    BIAS,
    FIELD,
    apart,
    magnetometer,
    recordings,
    turning,
)

IDEAL = AttitudeConfig(delay=0.0)


def at_end(seconds: float) -> Float:
    *_, (_, truth) = turning(seconds)
    return truth


def drive(filter_: AttitudeFilter, seconds: float, field: Float | None = FIELD) -> list[Estimate]:
    estimates = []
    for imu, truth in turning(seconds):
        filter_.predict(imu)
        if field is not None:
            filter_.update(magnetometer(imu, truth, field))
        estimates.append(filter_.estimate)
    return estimates


def assert_finite(estimate: Estimate) -> None:
    for name in ("attitude", "velocity", "position", "gyro_bias", "accel_bias", "covariance"):
        assert np.isfinite(getattr(estimate, name)).all()
    assert np.linalg.norm(estimate.attitude) == pytest.approx(1.0)
    assert (np.linalg.eigvalsh(estimate.covariance) > 0.0).all()


def test_finds_attitude_heading_and_bias() -> None:
    filter_ = AttitudeFilter(IDEAL)
    for imu, truth in turning(30.0):
        filter_.predict(imu)
        assert filter_.update(magnetometer(imu, truth)) or imu.stamp < 15.0
        if imu.stamp > 5.0:
            total, inclination = apart(filter_.estimate, truth)
            assert total < 1.5 and inclination < 0.5
    estimate = filter_.estimate
    np.testing.assert_allclose(estimate.gyro_bias, BIAS, atol=0.002)
    assert (estimate.health, estimate.reason) == (Health.GOOD, "")
    sigma = np.degrees(np.sqrt(np.diag(estimate.covariance)[:3]))
    assert 0.1 < sigma[0] < 1.0 and 1.0 < sigma[2] < 5.0


def test_without_magnetometer_it_is_good_about_tilt_and_unsure_of_heading() -> None:
    estimates = drive(AttitudeFilter(IDEAL), 30.0, field=None)
    assert estimates[-1].health is Health.GOOD
    assert estimates[-1].covariance[2, 2] > 4.0 * estimates[-1].covariance[0, 0]


def test_is_initialising_until_it_has_settled() -> None:
    filter_ = AttitudeFilter()
    assert (filter_.estimate.health, filter_.estimate.reason) == (
        Health.INITIALISING,
        attitude_filter.SILENT,
    )
    healths = [estimate.health for estimate in drive(filter_, 4.0, field=None)]
    assert healths[:200] == [Health.INITIALISING] * 200
    assert healths[-1] is Health.GOOD


def test_starting_in_motion_it_settles_too() -> None:
    filter_ = AttitudeFilter(IDEAL)
    for imu, truth in turning(20.0, still=0.0):
        filter_.predict(imu)
        if filter_.estimate.health is Health.GOOD:
            assert apart(filter_.estimate, truth)[1] < 2.0
    assert filter_.estimate.health is Health.GOOD
    assert imu.stamp > 3.0


def test_a_disturbed_field_is_reported_and_hardly_turns_the_heading() -> None:
    filter_ = AttitudeFilter(IDEAL)
    for imu, truth in turning(45.0):
        disturbed = 25.0 <= imu.stamp < 35.0
        field = FIELD + np.array([30.0, 0.0, 20.0]) if disturbed else FIELD
        filter_.predict(imu)
        filter_.update(magnetometer(imu, truth, field))
        total, _ = apart(filter_.estimate, truth)
        if 26.0 < imu.stamp < 35.0:
            health, reason = filter_.estimate.health, filter_.estimate.reason
            assert (health, reason) == (Health.DEGRADED, attitude_filter.FIELD_DISTURBED)
        if imu.stamp > 20.0:
            assert total < 3.0
    assert filter_.estimate.health is Health.GOOD


def test_a_silent_magnetometer_is_reported() -> None:
    filter_ = AttitudeFilter(IDEAL)
    for imu, truth in turning(25.0):
        filter_.predict(imu)
        if imu.stamp < 20.0:
            filter_.update(magnetometer(imu, truth))
    assert filter_.estimate.reason == attitude_filter.FIELD_SILENT


def test_a_slow_and_late_magnetometer_finds_the_same_heading() -> None:
    filter_ = AttitudeFilter(IDEAL)
    late: list[Magnetometer] = []
    for k, (imu, truth) in enumerate(turning(30.0)):
        filter_.predict(imu)
        if k % 10 == 0:
            late.append(magnetometer(imu, truth))
        if late and imu.stamp - late[0].stamp >= 0.03:
            filter_.update(late.pop(0))
    assert apart(filter_.estimate, truth)[0] < 2.0


@pytest.mark.parametrize(
    "field", [[math.nan, 0, 0], [0.0, 0.0, 0.0], [math.inf, 1.0, 1.0]], ids=str
)
def test_a_broken_magnetometer_reading_is_refused(field: list[float]) -> None:
    filter_ = AttitudeFilter()
    drive(filter_, 2.0)
    assert not filter_.update(Magnetometer(2.0, np.array(field)))
    assert_finite(filter_.estimate)


def test_a_magnetometer_reading_from_long_ago_or_twice_is_refused() -> None:
    filter_ = AttitudeFilter()
    last = list(turning(2.0))[-1]
    drive(filter_, 2.0)
    assert not filter_.update(magnetometer(*last))
    assert not filter_.update(Magnetometer(1.0, FIELD))
    assert not filter_.update(GnssFix(2.0, np.zeros(3), np.ones(3)))


def test_lost_readings_are_bridged() -> None:
    filter_ = AttitudeFilter(IDEAL)
    for k, (imu, _) in enumerate(turning(20.0)):
        if k % 10 < 4 or imu.stamp < 5.0:  # six of ten are lost
            filter_.predict(imu)
    _, inclination = apart(filter_.estimate, at_end(20.0))
    assert inclination < 2.0


def test_the_period_is_learnt_and_jitter_is_integrated() -> None:
    rng = np.random.default_rng(0)
    fast, slow = AttitudeFilter(IDEAL), AttitudeFilter(IDEAL)
    for k, (imu, _) in enumerate(turning(15.0)):
        fast.predict(imu)
        if k % 2 == 0 and rng.uniform() < 0.8:
            slow.predict(imu)
    assert apart(fast.estimate, at_end(15.0))[1] < 0.5
    assert apart(slow.estimate, at_end(15.0))[1] < 1.5


@pytest.mark.parametrize("fault", ["nan", "frozen", "saturated"])
def test_a_failed_imu_is_lost_and_comes_back(fault: str) -> None:
    filter_ = AttitudeFilter(IDEAL)
    held = None
    healths: dict[float, Health] = {}
    for imu, _ in turning(20.0):
        if 10.0 <= imu.stamp < 12.0:
            held = held or imu
            broken = {
                "nan": np.full(3, math.nan),
                "frozen": held.gyro,
                "saturated": np.full(3, 40.0),
            }[fault]
            imu = imu._replace(gyro=broken)
        filter_.predict(imu)
        assert_finite(filter_.estimate)
        healths[round(imu.stamp, 3)] = filter_.estimate.health
    assert healths[11.9] is Health.LOST
    assert healths[12.1] is Health.INITIALISING
    assert healths[19.9] is Health.GOOD
    assert apart(filter_.estimate, at_end(20.0))[1] < 1.5
    np.testing.assert_allclose(filter_.estimate.gyro_bias, BIAS, atol=0.004)


@pytest.mark.parametrize("leap", [-7.0, 7.0])
def test_a_clock_jump_starts_the_attitude_anew(leap: float) -> None:
    filter_ = AttitudeFilter(IDEAL)
    for imu, _ in turning(20.0):
        filter_.predict(imu._replace(stamp=imu.stamp + leap) if imu.stamp > 10.0 else imu)
        assert_finite(filter_.estimate)
        if 10.1 < imu.stamp < 11.0:
            assert filter_.estimate.health is Health.INITIALISING
    assert filter_.estimate.health is Health.GOOD
    assert apart(filter_.estimate, at_end(20.0))[1] < 1.5


def test_a_gyroscope_in_degrees_is_lost_with_the_way_out() -> None:
    filter_ = AttitudeFilter()
    for imu, _ in turning(4.0):
        filter_.predict(imu._replace(gyro=np.degrees(imu.gyro)))
    assert filter_.estimate.health is Health.LOST
    assert filter_.estimate.reason == plausibility.GYRO_UNIT
    filter_.reset()
    drive(filter_, 4.0, field=None)
    assert filter_.estimate.health is Health.GOOD


def test_spikes_do_not_move_it() -> None:
    clean, spiky = AttitudeFilter(IDEAL), AttitudeFilter(IDEAL)
    for k, (imu, _) in enumerate(turning(15.0)):
        clean.predict(imu)
        hit = k % 400 == 399
        spiky.predict(imu._replace(gyro=np.array([25.0, 0.0, 0.0])) if hit else imu)
    total, _ = apart(spiky.estimate, clean.estimate.attitude)
    assert total < 1.0


def test_the_delay_carries_the_attitude_forward() -> None:
    behind, ahead = AttitudeFilter(IDEAL), AttitudeFilter(AttitudeConfig(delay=0.01))
    for imu, _ in turning(6.0):
        behind.predict(imu)
        ahead.predict(imu)
    turned, _ = apart(ahead.estimate, behind.estimate.attitude)
    expected = np.degrees(0.01 * np.linalg.norm(imu.gyro - behind.estimate.gyro_bias))
    assert turned == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
def test_it_is_as_good_as_promised_on_broad() -> None:
    pytest.importorskip("scipy")
    totals, inclinations = [], []
    for path in recordings("broad", "*.mat"):
        log = read_broad(path)
        errors = errors_against_reference(replay_log(AttitudeFilter(), log), log)
        assert errors is not None
        for found, values in ((totals, errors.total), (inclinations, errors.inclination)):
            found.append(math.degrees(math.sqrt(np.nanmean(values**2))))
    assert np.mean(totals) < 2.5
    assert np.mean(inclinations) < 0.6
