"""Every fault of an IMU with magnetometer: what is injected, what the filter says, how it ends.

Whatever happens, the numbers stay finite, and while the health is GOOD they are right.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
import pytest

from edge_runtime.fusion import plausibility
from edge_runtime.fusion.attitude import filter as attitude_filter
from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu, Magnetometer
from edge_runtime.signals import Float
from tests.edge_runtime.fusion.changes import (
    Change,
    frozen,
    later,
    lost,
    scaled,
    setting,
    some,
    spikes,
)
from tests.edge_runtime.fusion.recordings import FIELD, apart, into_body, magnetometer, turning

GOOD, DEGRADED, LOST, INITIALISING = Health.GOOD, Health.DEGRADED, Health.LOST, Health.INITIALISING
START, SECONDS = 18.0, 40.0  # s: when the fault begins, and the recording ends
Reading = Imu | Magnetometer
Readings = list[tuple[Reading, Float]]  # and the true attitude then


@dataclass(frozen=True)
class Fault:
    what: str
    sensor: type | tuple[type, ...]
    lasts: float  # s
    change: Change  # of each reading meanwhile, and how many came before; None loses it
    says: Health = GOOD  # the worst meanwhile and in the second after
    why: str = ""  # how it explains itself then
    recovers: float = 1.5  # s after the end, when it is GOOD again
    tilts: float = 1.0  # degrees of inclination by which it may be wrong, unless LOST or starting


def bent(*by: float) -> Change:
    """A magnet held to the sensor."""
    return lambda m, k: m._replace(field=m.field + by)


NANS, HUGE = np.full(3, math.nan), np.full(3, 1e300)
TOO_FAST, TOO_HARD = np.array([0.0, 34.95, 0.0]), np.array([0.0, 0.0, 157.0])
ANEW = 14.0  # s until attitude and field are known again after a start
DISTURBED, SILENT = "disturbed", "magnetometer is silent"
FAULTS = (
    Fault("IMU: a third of the readings lost", Imu, 5.0, some(0.33), DEGRADED, "lost"),
    Fault("IMU: silent for 0.2 s", Imu, 0.2, lost, DEGRADED, "lost", tilts=5.0),
    Fault("IMU: silent for 2 s", Imu, 2.0, lost, LOST, "the IMU is silent", ANEW),
    Fault("both silent for 2 s", (Imu, Magnetometer), 2.0, lost, INITIALISING, "silent", ANEW),
    Fault("IMU: NaN for 0.1 s", Imu, 0.1, setting(gyro=NANS), DEGRADED, "NaN"),
    Fault("IMU: NaN for 1 s", Imu, 1.0, setting(accel=NANS), LOST, "NaN", ANEW),
    Fault("IMU: 1e300", Imu, 1.0, setting(accel=HUGE), LOST, "saturated", ANEW),
    Fault("IMU: gyroscope frozen", Imu, 1.0, frozen("gyro"), LOST, "repeats", ANEW),
    Fault("IMU: accelerometer frozen", Imu, 1.0, frozen("accel"), LOST, "repeats", ANEW),
    Fault("IMU: gyroscope saturated briefly", Imu, 0.1, setting(gyro=TOO_FAST), DEGRADED, "satur"),
    Fault("IMU: gyroscope saturated", Imu, 1.0, setting(gyro=TOO_FAST), LOST, "saturated", ANEW),
    Fault("IMU: accelerometer saturated", Imu, 1.0, setting(accel=TOO_HARD), LOST, "satur", ANEW),
    Fault("IMU: spikes (gyroscope)", Imu, 5.0, spikes("gyro", TOO_FAST / 2, 99), DEGRADED, "spike"),
    Fault(
        "IMU: spike (accelerometer)",
        Imu,
        1.0,
        spikes("accel", TOO_HARD / 2, 999),
        DEGRADED,
        "spike",
    ),
    Fault("IMU: stamps of the past", Imu, 5.0, later(-0.5, 20), DEGRADED, "older"),
    Fault("IMU: stamped twice", Imu, 5.0, later(-0.005, 20), DEGRADED, "twice"),
    Fault("IMU: stamps that leap ahead", Imu, 5.0, later(30.0, 20), DEGRADED, "leap"),
    Fault("magnetometer: silent", Magnetometer, 5.0, lost, DEGRADED, SILENT),
    Fault("magnetometer: a third lost", Magnetometer, 5.0, some(0.33)),
    Fault("magnetometer: NaN", Magnetometer, 5.0, setting(field=NANS), DEGRADED, SILENT),
    Fault("magnetometer: zero", Magnetometer, 5.0, setting(field=np.zeros(3)), DEGRADED, SILENT),
    Fault("magnetometer: frozen", Magnetometer, 5.0, frozen("field"), DEGRADED, DISTURBED, 5.0),
    Fault("magnetometer: a magnet", Magnetometer, 5.0, bent(30.0, 0, 20), DEGRADED, DISTURBED, 5.0),
    Fault(
        "magnetometer: in gauss", Magnetometer, 5.0, scaled("field", 0.01), DEGRADED, DISTURBED, 5.0
    ),
    Fault(
        "magnetometer: spikes",
        Magnetometer,
        5.0,
        spikes("field", 9 * FIELD, 100),
        DEGRADED,
        DISTURBED,
    ),
    Fault("magnetometer: 0.05 s late", Magnetometer, 5.0, later(-0.05)),
    Fault("magnetometer: 0.5 s late", Magnetometer, 5.0, later(-0.5), DEGRADED, SILENT),
    Fault("magnetometer: stamped ahead", Magnetometer, 5.0, later(0.5), DEGRADED, SILENT),
)


@pytest.fixture(scope="module")
def recorded() -> Readings:
    return [pair for imu, q in turning(SECONDS) for pair in ((imu, q), (magnetometer(imu, q), q))]


def give(filter_: AttitudeFilter, m: Reading) -> None:
    if isinstance(m, Imu):
        filter_.predict(m)
    else:
        filter_.update(m)


def injected(recorded: Readings, fault: Fault) -> list[tuple[float, Reading, Float]]:
    """When, what the filter is given, and the true attitude, in this order."""
    given, count = [], 0
    for m, truth in recorded:
        if isinstance(m, fault.sensor) and START <= m.stamp < START + fault.lasts:
            changed = fault.change(m, count)
            count += 1
            if changed is not None:
                given.append((m.stamp, changed, truth))
        else:
            given.append((m.stamp, m, truth))
    return given


def assert_sound(estimate: Estimate) -> None:
    attitude, covariance = estimate.attitude, estimate.covariance
    assert abs(attitude @ attitude - 1.0) < 1e-6  # false for NaN and infinity
    assert all(map(math.isfinite, estimate.gyro_bias.tolist()))
    assert np.isfinite(covariance).all() and min(covariance.diagonal().tolist()) > 0.0
    assert estimate.reason or estimate.health is GOOD


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_the_health_tells_the_truth(recorded: Readings, fault: Fault) -> None:
    filter_ = AttitudeFilter(AttitudeConfig(delay=0.0))
    judged: list[tuple[float, Health, str]] = []
    end = START + fault.lasts
    for now, m, truth in injected(recorded, fault):
        give(filter_, m)
        if now < START - 0.5:
            continue
        estimate = filter_.estimate
        assert_sound(estimate)
        judged.append((now, estimate.health, estimate.reason))
        if estimate.health >= DEGRADED and abs(now - estimate.stamp) < 1e-6:
            total, inclination = apart(estimate, truth)
            assert inclination < fault.tilts, (now, estimate.health, estimate.reason)
            assert total < 4.0 or estimate.health is DEGRADED, (now, total)
    assert {h for t, h, _ in judged if t < START} == {GOOD}
    meanwhile = [(h, w) for t, h, w in judged if START <= t < end + 1.0]
    worst = min(h for h, _ in meanwhile)
    assert worst is fault.says, set(meanwhile)
    reasons = {w for h, w in meanwhile if h is fault.says}
    assert any(re.search(fault.why, reason) for reason in reasons), reasons
    after = {(h, w) for t, h, w in judged if t > end + fault.recovers}
    assert after == {(GOOD, "")}, after


@pytest.mark.parametrize("leap", [-7.0, 7.0])
def test_a_clock_jump_starts_the_attitude_anew(recorded: Readings, leap: float) -> None:
    filter_ = AttitudeFilter(AttitudeConfig(delay=0.0))
    for m, _ in recorded:
        jumped = m.stamp > START
        give(filter_, m._replace(stamp=m.stamp + leap) if jumped else m)
        assert_sound(filter_.estimate)
        if START + 0.1 < m.stamp < START + 1.0:
            assert filter_.estimate.health is INITIALISING
    assert filter_.estimate.health is GOOD
    assert apart(filter_.estimate, recorded[-1][1])[1] < 1.0


@pytest.mark.parametrize(
    ("name", "factor", "reason"),
    [
        ("gyro", 180.0 / math.pi, plausibility.GYRO_UNIT),
        ("accel", 1.0 / GRAVITY, plausibility.ACCEL_UNIT),
    ],
    ids=["deg/s", "g"],
)
def test_wrong_units_are_found_at_rest(
    recorded: Readings, name: str, factor: float, reason: str
) -> None:
    filter_, change = AttitudeFilter(), scaled(name, factor)
    for m, _ in recorded[:800]:
        changed = change(m, 0) if isinstance(m, Imu) else m
        assert changed is not None
        give(filter_, changed)
        assert_sound(filter_.estimate)
    assert (filter_.estimate.health, filter_.estimate.reason) == (LOST, reason)
    filter_.reset()
    for m, _ in recorded[:1600]:
        give(filter_, m)
    assert filter_.estimate.health >= DEGRADED


def test_starting_in_motion_it_settles_too() -> None:
    filter_ = AttitudeFilter(AttitudeConfig(delay=0.0))
    for imu, truth in turning(20.0, still=0.0):
        filter_.predict(imu)
        if filter_.estimate.health is GOOD:
            assert apart(filter_.estimate, truth)[1] < 2.0
    assert filter_.estimate.health is GOOD


def test_carried_to_where_north_is_elsewhere_it_says_so_and_follows() -> None:
    """Into a building that bends the field by 40 degrees and strengthens it."""
    filter_ = AttitudeFilter(AttitudeConfig(delay=0.0))
    inside = np.array([21.0, 25.0, -60.0])
    judged = {}
    for imu, truth in turning(75.0):
        filter_.predict(imu)
        field = FIELD if imu.stamp < START else inside
        filter_.update(Magnetometer(imu.stamp, into_body(truth, field)))
        judged[imu.stamp] = filter_.estimate.health, filter_.estimate.reason
    assert {how for t, how in judged.items() if START + 1.0 < t < START + 10.0} == {
        (DEGRADED, attitude_filter.FIELD_DISTURBED)
    }
    assert filter_.estimate.health is GOOD
