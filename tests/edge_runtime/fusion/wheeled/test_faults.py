"""Every fault of a car's sensors: what is injected, what the filter says of it, and how it ends.

Whatever happens, the numbers stay finite, and they are right while the health is GOOD, or nearly so
while it is DEGRADED.
"""

import copy
import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from edge_runtime.fusion import plausibility
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import GnssFix, Imu, Measurement, Wheels
from edge_runtime.fusion.wheeled import filter as wheeled
from edge_runtime.fusion.wheeled.filter import WheeledFilter
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
from tests.edge_runtime.fusion.drive import CAR, Drive, drive, feed, truth_at

GOOD, DEGRADED, LOST, INITIALISING = Health.GOOD, Health.DEGRADED, Health.LOST, Health.INITIALISING
NO_WHEELS, NO_FIX = "no believed wheels", "no believed GNSS"
START, SECONDS = 15.0, 40.0  # s: when the fault begins, and the drive ends


@dataclass(frozen=True)
class Fault:
    what: str
    sensor: type | tuple[type, ...]
    lasts: float  # s
    change: Change  # of each measurement meanwhile, and how many came before; None loses it
    says: Health = GOOD  # the worst meanwhile and in the second after
    why: str = ""  # how it explains itself then
    recovers: float = 3.0  # s after the end, when it is GOOD again
    slack: float = 2.0  # how much more wrong than a GOOD one a DEGRADED estimate may be


def spinning(*which: int) -> Change:
    """Faster by 6 m/s each second."""

    def change(m: Measurement, k: int) -> Measurement:
        assert isinstance(m, Wheels)
        speed = m.speed.copy()
        speed[list(which)] += 6.0 * k / 50
        return m._replace(speed=speed)

    return change


def one_wheel(value: float) -> Change:
    def change(m: Measurement, k: int) -> Measurement:
        assert isinstance(m, Wheels)
        return m._replace(speed=np.where(np.arange(4) == 1, value, m.speed))

    return change


def elsewhere(*by: float) -> Change:
    def change(m: Measurement, k: int) -> Measurement:
        assert isinstance(m, GnssFix)
        return m._replace(position=m.position + by)

    return change


def astray(m: Measurement, k: int) -> Measurement:
    """Reflections: fixes that scatter by tens of metres, with velocities that do too."""
    assert isinstance(m, GnssFix) and m.velocity is not None
    rng = np.random.default_rng(k)
    off = rng.normal(0.0, [20.0, 20.0, 20.0])
    return m._replace(position=m.position + off, velocity=m.velocity + 0.3 * off)


ALL = (Imu, Wheels, GnssFix)
NANS, HUGE = np.full(3, math.nan), np.full(3, 1e300)
TOO_FAST, TOO_HARD = np.array([0.0, 34.95, 0.0]), np.array([0.0, 0.0, 157.0])
FAULTS = (
    # The IMU.
    Fault("IMU: a third of the readings lost", Imu, 10.0, some(0.33), DEGRADED, "lost"),
    Fault("IMU: silent for 0.2 s", Imu, 0.2, lost, DEGRADED, "lost"),
    Fault("IMU: silent for 1.5 s", Imu, 1.5, lost, DEGRADED, "IMU", slack=4.0),
    Fault("IMU: silent for 6 s", Imu, 6.0, lost, LOST, "silent", 5.0),
    Fault("IMU: NaN", Imu, 1.0, setting(gyro=NANS), DEGRADED, "NaN"),
    Fault("IMU: 1e300", Imu, 1.0, setting(accel=HUGE), DEGRADED, "saturated"),
    Fault("IMU: NaN for long", Imu, 6.0, setting(accel=NANS), LOST, "NaN", 5.0),
    Fault("IMU: gyroscope frozen", Imu, 1.0, frozen("gyro"), DEGRADED, "repeats"),
    Fault("IMU: frozen for long", Imu, 6.0, frozen("gyro", "accel"), LOST, "repeats", 5.0),
    Fault(
        "IMU: spikes of the gyroscope",
        Imu,
        5.0,
        spikes("gyro", TOO_FAST / 2, 50),
        DEGRADED,
        "spike",
    ),
    Fault(
        "IMU: spikes of the accelerometer",
        Imu,
        5.0,
        spikes("accel", TOO_HARD / 2, 50),
        DEGRADED,
        "spike",
    ),
    Fault("IMU: gyroscope saturated", Imu, 1.0, setting(gyro=TOO_FAST), DEGRADED, "saturated"),
    Fault("IMU: accelerometer saturated", Imu, 1.0, setting(accel=TOO_HARD), DEGRADED, "saturated"),
    Fault("IMU: stamps of the past", Imu, 5.0, later(-0.5, 20), DEGRADED, "older"),
    Fault("IMU: stamped twice", Imu, 5.0, later(-0.01, 20), DEGRADED, "twice"),
    Fault("IMU: stamps that leap ahead", Imu, 5.0, later(30.0, 20), DEGRADED, "leap"),
    # The wheels.
    Fault("wheels: silent", Wheels, 3.0, lost, DEGRADED, NO_WHEELS),
    Fault("wheels: half of the readings lost", Wheels, 5.0, some(0.5)),
    Fault("wheels: one NaN", Wheels, 3.0, one_wheel(math.nan)),
    Fault("wheels: one at zero", Wheels, 3.0, one_wheel(0.0)),
    Fault("wheels: one at infinity", Wheels, 3.0, one_wheel(math.inf)),
    Fault("wheels: all NaN", Wheels, 3.0, setting(speed=np.full(4, math.nan)), DEGRADED, NO_WHEELS),
    Fault("wheels: one spins", Wheels, 1.5, spinning(2)),
    Fault("wheels: an axle spins", Wheels, 1.5, spinning(2, 3)),
    Fault("wheels: all spin", Wheels, 1.5, spinning(0, 1, 2, 3), DEGRADED, NO_WHEELS),
    Fault("wheels: locked", Wheels, 2.0, setting(speed=np.zeros(4)), DEGRADED, NO_WHEELS),
    Fault("wheels: frozen", Wheels, 6.0, frozen("speed", "steering"), DEGRADED, NO_WHEELS),
    Fault("wheels: in km/h", Wheels, 6.0, scaled("speed", 3.6), DEGRADED, NO_WHEELS),
    Fault("wheels: one too many", Wheels, 3.0, setting(speed=np.full(5, 8.0)), DEGRADED, NO_WHEELS),
    Fault("wheels: steering in degrees", Wheels, 6.0, scaled("steering", 57.3)),
    Fault("wheels: steering NaN", Wheels, 6.0, setting(steering=math.nan)),
    Fault("wheels: stamped 0.7 s late", Wheels, 4.0, later(-0.7), DEGRADED, NO_WHEELS),
    # GNSS.
    Fault("GNSS: silent", GnssFix, 15.0, lost, DEGRADED, NO_FIX),
    Fault("GNSS: NaN", GnssFix, 5.0, setting(position=NANS, velocity=NANS), DEGRADED, NO_FIX),
    Fault("GNSS: 1e300", GnssFix, 5.0, setting(position=HUGE, velocity=HUGE), DEGRADED, NO_FIX),
    Fault("GNSS: frozen", GnssFix, 9.0, frozen("position", "velocity"), DEGRADED, NO_FIX),
    Fault("GNSS: multipath", GnssFix, 3.5, astray, DEGRADED, NO_FIX),
    Fault(
        "GNSS: a jump there and back", GnssFix, 3.0, elsewhere(30.0, -20.0, 5.0), DEGRADED, NO_FIX
    ),
    Fault("GNSS: stamped 5 s ago", GnssFix, 4.0, later(-5.0), DEGRADED, NO_FIX),
    Fault("GNSS: stamped 5 s ahead", GnssFix, 4.0, later(5.0), DEGRADED, NO_FIX),
)


@pytest.fixture(scope="module")
def driven() -> Drive:
    return drive(SECONDS)


@pytest.fixture(scope="module")
def well(driven: Drive) -> WheeledFilter:
    """A filter that has gone well until the fault; to copy."""
    car = WheeledFilter(CAR)
    feed(car, [m for m in driven.measurements if m.stamp < START])
    assert (car.estimate.health, car.estimate.reason) == (GOOD, "")
    assert_right(car.estimate, driven)
    return car


def injected(driven: Drive, fault: Fault) -> list[Measurement]:
    """What the filter is given from then on, in this order."""
    given, count = [], 0
    for m in driven.measurements:
        if m.stamp < START:
            continue
        if isinstance(m, fault.sensor) and START <= m.stamp < START + fault.lasts:
            changed = fault.change(m, count)
            count += 1
            if changed is not None:
                given.append(changed)
        else:
            given.append(m)
    return given


def estimates(car: WheeledFilter, given: list[Measurement]) -> Iterator[Estimate]:
    """After every fifth measurement; each is looked at."""
    for k, m in enumerate(given):
        feed(car, [m])
        if k % 5 == 0:
            assert_sound(car)
            yield car.estimate


def assert_sound(car: WheeledFilter) -> None:
    estimate = car.estimate
    for values in (estimate.attitude, estimate.velocity, estimate.position, estimate.covariance):
        assert np.isfinite(values).all()
    assert np.linalg.norm(estimate.attitude) == pytest.approx(1.0)
    assert np.linalg.eigvalsh(estimate.covariance)[0] > -1e-9
    assert estimate.reason or estimate.health is GOOD


def assert_right(estimate: Estimate, driven: Drive, slack: float = 1.0) -> None:
    heading, velocity, position = truth_at(driven.truth, estimate.stamp)
    r = quaternion_to_matrix(estimate.attitude)
    turned = math.remainder(math.atan2(r[1, 0], r[0, 0]) - heading, 2 * math.pi)
    off = np.linalg.norm((estimate.position - position)[:2])
    found = f"at {estimate.stamp:.2f} s: {turned:.3f} rad, {off:.2f} m, "
    found += f"{np.linalg.norm(estimate.velocity - velocity):.2f} m/s"
    assert abs(turned) < 0.08 * slack, found
    assert off < 2.5 * slack, found
    assert np.linalg.norm(estimate.velocity - velocity) < 0.5 * slack, found


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_the_health_tells_the_truth(driven: Drive, well: WheeledFilter, fault: Fault) -> None:
    judged: list[tuple[float, Health, str]] = []
    for estimate in estimates(copy.deepcopy(well), injected(driven, fault)):
        judged.append((estimate.stamp, estimate.health, estimate.reason))
        if estimate.health is GOOD:
            assert_right(estimate, driven)
        if estimate.health is DEGRADED:
            assert_right(estimate, driven, fault.slack)
    end = START + fault.lasts
    worst = min((h, w) for t, h, w in judged if START <= t < end + 1.0)
    assert worst[0] is fault.says, worst
    why = {w for t, h, w in judged if START <= t < end + 1.0 and h is fault.says}
    assert any(re.search(fault.why, reason) for reason in why), why
    after = [(h, w) for t, h, w in judged if t > end + fault.recovers]
    assert {h for h, _ in after} == {GOOD}, set(after)


def test_a_clock_that_jumps_is_followed(driven: Drive, well: WheeledFilter) -> None:
    """A new clock, of all sensors at once; no stamp of the old one counts."""
    for leap in (1000.0, -1000.0):
        car = copy.deepcopy(well)
        rest = [m for m in driven.measurements if m.stamp >= START]
        judged = set()
        for m in rest:
            feed(car, [m._replace(stamp=m.stamp + leap)])
            judged.add(car.estimate.health)
            assert_sound(car)
        # A leap ahead looks the same as an equally long silence: the filter begins anew.
        assert judged == {GOOD, DEGRADED} | ({INITIALISING} if leap > 0.0 else set())
        estimate = car.estimate
        assert estimate.health is GOOD
        moved = estimate.stamp - leap
        assert_right(dataclasses.replace(estimate, stamp=moved), driven)


def test_an_imu_alone_on_another_clock_misses_the_others(
    driven: Drive, well: WheeledFilter
) -> None:
    car = copy.deepcopy(well)
    for m in driven.measurements:
        if START <= m.stamp < START + 5.0:
            feed(car, [m._replace(stamp=m.stamp + 100.0) if isinstance(m, Imu) else m])
            assert m.stamp < START + 0.1 or car.estimate.health < DEGRADED
            assert_sound(car)


def standing(seconds: float) -> Drive:
    return drive(seconds, speed=lambda t: 0.0 * t, yaw_rate=lambda t: 0.0 * t, noise=0.5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (scaled("gyro", 180.0 / math.pi), plausibility.GYRO_UNIT),
        (scaled("accel", 1.0 / GRAVITY), plausibility.ACCEL_UNIT),
    ],
    ids=["deg/s", "g"],
)
def test_wrong_units_are_found_at_rest(change: Change, reason: str) -> None:
    car = WheeledFilter(CAR)
    for k, m in enumerate(standing(4.0).measurements):
        feed(car, [change(m, k) if isinstance(m, Imu) else m])
        assert_sound(car)
    assert (car.estimate.health, car.estimate.reason) == (LOST, reason)


@pytest.mark.parametrize("speed", [25.0, -3.0])
def test_it_may_start_while_it_moves(speed: float) -> None:
    moving = drive(6.0, speed=lambda t: np.full_like(t, speed), heading=3.0)
    car = WheeledFilter(CAR)
    for m in moving.measurements:
        feed(car, [m])
        if car.estimate.health is GOOD:
            assert_right(car.estimate, moving)
    assert car.estimate.health is GOOD


@pytest.mark.parametrize("silent", [3.0, 20.0])
def test_a_receiver_that_finds_its_first_fix_late_is_waited_for(silent: float) -> None:
    config = dataclasses.replace(CAR, mount_std=0.07, wheel_offset_std=0.25)
    driven, car = drive(silent + 10.0), WheeledFilter(config)
    for m in driven.without(GnssFix, 0.0, silent).measurements:
        feed(car, [m])
        assert_sound(car)
        if 0.1 < m.stamp < silent:
            assert (car.estimate.health, car.estimate.reason) == (
                INITIALISING,
                wheeled.HEADING_UNKNOWN,
            )
        elif car.estimate.health is GOOD:
            assert_right(car.estimate, driven)
    assert car.estimate.health is GOOD


def test_a_car_that_is_carried_elsewhere_says_so_and_finds_itself() -> None:
    """It stands; then a ferry takes it 400 m north-east and sets it down, and it drives on."""
    driven = drive(
        60.0,
        speed=lambda t: (
            np.where(t < 10.0, 8.0, np.where(t < 38.0, 8.0 * (12.0 - t).clip(0) / 2, 0))
            + 8.0 * np.clip((t - 40.0) / 2.0, 0.0, 1.0)
        ),
        yaw_rate=lambda t: 0.1 * np.sin(0.3 * t) * ((t < 11.0) | (t > 41.0)),
    )
    car = WheeledFilter(CAR)
    carried = {}
    for m in driven.measurements:
        share = min(max((m.stamp - 15.0) / 20.0, 0.0), 1.0)
        if isinstance(m, GnssFix):
            assert m.velocity is not None
            moving = np.array([14.0, 14.0, 0.0]) * (0.0 < share < 1.0)
            by = 280.0 * np.array([share, share, 0.0])
            m = m._replace(position=m.position + by, velocity=m.velocity + moving)
        feed(car, [m])
        assert_sound(car)
        carried[m.stamp] = car.estimate

    def off(estimate: Estimate) -> float:
        _, _, position = truth_at(driven.truth, estimate.stamp)
        share = min(max((estimate.stamp - 15.0) / 20.0, 0.0), 1.0)
        return float(np.linalg.norm((estimate.position - position)[:2] - 280.0 * share))

    for stamp, estimate in carried.items():
        if estimate.health is GOOD and stamp > 1.0:
            assert off(estimate) < 60.0, stamp
    assert car.estimate.health is GOOD and off(car.estimate) < 2.5
