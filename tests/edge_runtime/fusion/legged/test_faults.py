"""Each fault on a walk: the state stays finite, health tells the truth, and all is well again."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from edge_runtime.fusion import plausibility as imu
from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.legged.filter import (
    ALL_SLIP,
    CONTRADICTION,
    NO_FOOT,
    STATE_UNKNOWN,
    LeggedFilter,
)
from edge_runtime.fusion.measurement import Feet, Imu
from tests.edge_runtime.fusion.legged.test_filter import CONFIG, NEAR, WALKER, drive, rms
from tests.edge_runtime.fusion.walker import Moment, errors

START, END = 3.0, 6.0  # s, of the fault, and of the walk
WELL = (3 * CONFIG.good_tilt, 0.12)  # rad and m/s: what may be wrong at most while health is GOOD

Reading = tuple[Imu | None, Feet | None]


@dataclass(frozen=True)
class Fault:
    """What happens to the readings from START on."""

    name: str
    seconds: float
    corrupt: Callable[[Moment, float], Reading]  # moment, s since START
    reasons: tuple[str, ...]  # one of which health tells
    health: Health = Health.DEGRADED


def of_imu(change: Callable[[Imu, float], Imu | None]) -> Callable[[Moment, float], Reading]:
    return lambda moment, since: (change(moment.imu, since), moment.feet)


def of_feet(change: Callable[[Feet, float], Feet | None]) -> Callable[[Moment, float], Reading]:
    return lambda moment, since: (moment.imu, change(moment.feet, since))


def with_entry(reading: Imu, sensor: str, value: float) -> Imu:
    entries = getattr(reading, sensor).copy()
    entries[0] = value
    return reading._replace(**{sensor: entries})


def slid(moment: Moment, since: float) -> Reading:
    """Both feet on ice, for 0.2 s."""
    away = np.array([0.0, 0.8 * min(since, 0.2), 0.0])
    return moment.imu, moment.feet._replace(position=moment.feet.position + away @ moment.rotation)


def every_fifth(reading: Imu, since: float) -> Imu | None:
    return reading if round(reading.stamp * WALKER.rate) % 5 == 0 else None


NOTHING = np.full((2, 3), math.nan)
STUCK = Imu(0.0, np.array([0.1, 0.0, 0.2]), np.array([0.0, 0.5, 9.7]))
FAULTS = (
    Fault("most readings lost", 0.3, of_imu(every_fifth), (imu.DROPOUT,)),
    Fault("IMU silent for long", 0.6, of_imu(lambda r, s: None), (STATE_UNKNOWN,), Health.LOST),
    Fault("IMU frozen", 0.4, of_imu(lambda r, s: STUCK._replace(stamp=r.stamp)), (imu.FROZEN,)),
    Fault("spike of force", 0.005, of_imu(lambda r, s: with_entry(r, "accel", 120)), (imu.SPIKE,)),
    Fault("spike of rate", 0.005, of_imu(lambda r, s: with_entry(r, "gyro", -25)), (imu.SPIKE,)),
    Fault(
        "no number", 0.1, of_imu(lambda r, s: with_entry(r, "gyro", math.nan)), (imu.NOT_FINITE,)
    ),
    Fault(
        "gyro saturated", 0.1, of_imu(lambda r, s: with_entry(r, "gyro", 34.9)), (imu.SATURATED,)
    ),
    Fault(
        "accel saturated",
        0.1,
        of_imu(lambda r, s: with_entry(r, "accel", -157.0)),
        (imu.SATURATED,),
    ),
    Fault(
        "time goes back",
        0.005,
        of_imu(lambda r, s: r._replace(stamp=r.stamp - 0.02)),
        (imu.FROM_THE_PAST,),
    ),
    Fault(
        "stamp came twice",
        0.005,
        of_imu(lambda r, s: r._replace(stamp=r.stamp - 0.005)),
        (imu.DUPLICATE,),
    ),
    Fault(
        "one stamp leaps", 0.005, of_imu(lambda r, s: r._replace(stamp=r.stamp + 5.0)), (imu.LEAP,)
    ),
    Fault("feet silent", 1.0, of_feet(lambda f, s: None), (NO_FOOT,)),
    Fault(
        "feet without numbers", 1.0, of_feet(lambda f, s: f._replace(position=NOTHING)), (NO_FOOT,)
    ),
    Fault("carried", 1.0, of_feet(lambda f, s: f._replace(contact=np.zeros(2))), (NO_FOOT,)),
    Fault("both feet slip", 3.0, slid, (ALL_SLIP, CONTRADICTION)),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_health_shows_a_fault_and_is_good_before_and_after(fault: Fault) -> None:
    def corrupt(moment: Moment) -> Reading:
        since = moment.stamp - START
        if -1e-9 <= since < fault.seconds - 1e-9:
            return fault.corrupt(moment, since)
        return moment.imu, moment.feet

    kept = drive(LeggedFilter(CONFIG), change=corrupt)
    before = [e.health for m, e in kept if START - 0.5 < m.stamp < START]
    judged = [e for m, e in kept if START <= m.stamp <= START + fault.seconds + 0.2]
    after = [e.health for m, e in kept if m.stamp > END - 0.7]
    assert set(before) == {Health.GOOD}
    assert any(e.health is fault.health and e.reason in fault.reasons for e in judged)
    assert set(after) == {Health.GOOD}
    assert rms(kept, after=5.0) < NEAR
    assert_good_means_good(kept)


GONE = (
    (of_imu(lambda r, s: with_entry(r, "gyro", math.nan)), imu.NOT_FINITE),
    (of_imu(lambda r, s: with_entry(r, "gyro", 34.9)), imu.SATURATED),
    (of_imu(lambda r, s: STUCK._replace(stamp=r.stamp)), imu.FROZEN),
    (of_imu(lambda r, s: None), imu.GAP),
    (of_imu(lambda r, s: r._replace(stamp=math.nan)), imu.NOT_FINITE),
    (of_imu(lambda r, s: r._replace(stamp=START)), imu.DUPLICATE),
)


@pytest.mark.parametrize(
    ("corrupt", "reason"),
    GONE,
    ids=["no number", "saturated", "frozen", "silent", "no stamp", "one stamp for all"],
)
def test_without_the_imu_for_long_the_state_is_lost_and_found_again(
    corrupt: Callable[[Moment, float], Reading], reason: str
) -> None:
    def gone(moment: Moment) -> Reading:
        since = moment.stamp - START
        return corrupt(moment, since) if 0.0 < since < 2.0 else (moment.imu, moment.feet)

    kept = drive(LeggedFilter(CONFIG), replace(WALKER, seconds=8.0), gone)
    early = [e.health for m, e in kept if START < m.stamp < START + 0.2]
    long = [(e.health, e.reason) for m, e in kept if START + 0.32 < m.stamp < START + 1.99]
    after = [e.health for m, e in kept if m.stamp > 7.3]
    assert Health.LOST not in early
    assert set(long) == {(Health.LOST, reason)}
    assert set(after) == {Health.GOOD}
    # Repeats are no fault yet for their first 0.05 s.
    assert_good_means_good([k for k in kept if not START < k[0].stamp < START + 0.06])


def test_an_unusable_imu_without_feet_is_lost_too() -> None:
    def blind(moment: Moment) -> Reading:
        gone = moment.stamp > START
        return with_entry(moment.imu, "accel", 157.0) if gone else moment.imu, None

    kept = drive(LeggedFilter(CONFIG), replace(WALKER, seconds=3.5), blind)
    assert kept[-1][1].health is Health.LOST


def test_an_imu_that_never_was_usable_is_lost_with_the_reason() -> None:
    kept = drive(
        LeggedFilter(CONFIG),
        replace(WALKER, seconds=0.5),
        lambda moment: (with_entry(moment.imu, "gyro", math.nan), moment.feet),
    )
    assert kept[10][1].health is Health.INITIALISING
    assert (kept[-1][1].health, kept[-1][1].reason) == (Health.LOST, imu.NOT_FINITE)


def test_one_stamp_of_the_feet_that_leaps_loses_nothing() -> None:
    def leap(moment: Moment) -> Reading:
        once = abs(moment.stamp - START) < 1e-9
        return moment.imu, moment.feet._replace(stamp=moment.stamp + 9.0 * once)

    kept = drive(LeggedFilter(CONFIG), change=leap)
    judged = {e.health for m, e in kept if m.stamp > START - 0.5}
    assert judged == {Health.GOOD, Health.DEGRADED}


def assert_good_means_good(kept) -> None:
    wrong = [errors(e, m) for m, e in kept if e.health is Health.GOOD]
    assert len(wrong) > 200
    tilt, velocity = np.max(wrong, axis=0)
    assert tilt < WELL[0]
    assert velocity < WELL[1]


def test_one_slipping_foot_leaves_the_other_to_be_trusted() -> None:
    standing = replace(WALKER, speed=0.0, sway=0.2)

    def slide(moment: Moment) -> Reading:
        away = np.zeros((2, 3))
        away[0, 0] = 0.5 * min(max(moment.stamp - START, 0.0), 0.6)
        position = moment.feet.position + away @ moment.rotation
        return moment.imu, moment.feet._replace(position=position)

    kept = drive(LeggedFilter(CONFIG), standing, slide)
    assert kept[-1][1].health is Health.GOOD
    assert_good_means_good(kept)


def test_a_start_in_motion_is_good_only_once_it_is_known() -> None:
    kept = drive(LeggedFilter(replace(CONFIG, velocity_std=1.0)), replace(WALKER, speed=0.9))
    assert kept[0][1].health is Health.INITIALISING
    assert {e.health for m, e in kept if m.stamp > 2.0} == {Health.GOOD}
    assert_good_means_good(kept)


def test_put_down_elsewhere_the_feet_are_believed_again() -> None:
    """Carried for a second, and half a metre to the side, turned, on the other leg first."""

    def carried(moment: Moment) -> Reading:
        feet = moment.feet
        if START < moment.stamp < START + 1.0:
            feet = feet._replace(contact=np.zeros(2))
        elif moment.stamp >= START + 1.0:
            feet = feet._replace(position=np.add(feet.position[::-1], [0.0, 0.0, 0.1]))
        return moment.imu, feet

    kept = drive(LeggedFilter(CONFIG), replace(WALKER, speed=0.0), carried)
    aloft = [e for m, e in kept if START + 0.6 < m.stamp < START + 1.0]
    assert {(e.health, e.reason) for e in aloft} == {(Health.DEGRADED, NO_FOOT)}
    assert kept[-1][1].health is Health.GOOD
    assert_good_means_good(kept)


@pytest.mark.parametrize(("gyro", "accel"), [(180 / math.pi, 1.0), (1.0, 1 / 9.80665)])
def test_wrong_units_at_rest_are_lost(gyro: float, accel: float) -> None:
    estimator = LeggedFilter(CONFIG)
    for moment in replace(WALKER, speed=0.0, sway=0.0, seconds=2.0, gyro_std=1e-3).walk():
        reading = moment.imu
        estimator.predict(Imu(reading.stamp, gyro * reading.gyro, accel * reading.accel))
        estimator.update(moment.feet)
    assert estimator.estimate.health is Health.LOST
    assert estimator.estimate.reason in imu.WRONG_UNITS


def test_late_feet_are_as_good() -> None:
    kept = drive(LeggedFilter(CONFIG), late=10)
    assert {e.health for m, e in kept if m.stamp > 2.0} == {Health.GOOD}
    assert_good_means_good(kept)
