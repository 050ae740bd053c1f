"""Judges one reading of an IMU: its time, its range, and whether a sensor is stuck or struck.

The functions are compiled. Their state and their settings are vectors of plain numbers, in which
`S` and `C` say where each number stands, so that Python runs them fast as well.
"""

import math
from typing import NamedTuple

from edge_runtime.fusion.compiled import Numbers, compiled
from edge_runtime.fusion.imu_units import GRAVITY, UNITS_SIZE, judge_units, start_units

# What a reading is found to be. Of the usable ones nothing, a gap, a dropout or a clipped
# accelerometer can be said.
FINE = 0
GAP, DROPOUT, ACCEL_CLIPPED = 1, 2, 3
LAST_USABLE = ACCEL_CLIPPED
NOT_FINITE, DUPLICATE, FROM_THE_PAST, LEAP, FROZEN, SATURATED, SPIKE = 4, 5, 6, 7, 8, 9, 10
GYRO_UNIT, ACCEL_UNIT = 11, 12
STUCK = 13  # and the axis's place in a reading

_FEWEST_REPEATS = 5  # of a frozen sensor
_MOST_SPIKES = 2  # in a row
_LONGEST = 1e9  # s; a longer gap is reported as this
_GYRO_FLOOR = 2.0  # rad/s; no gyroscope clips below 125 deg/s
_ACCEL_FLOOR = 14.0  # m/s^2; no accelerometer clips below 1.5 g
_FLAT = 2  # repeats of an extreme, at least, that are a plateau
_MISSED = 0.1  # of the extreme: how far it would have risen at its last slope within a plateau
_GRAIN = 1.5 * 2.0**23  # a sum with it is a multiple of 2e-9 rad/s or m/s^2
_FINE = 1.6  # steps of its resolution by which a sensor changes at rest that never repeats itself
_MUCH_FINER = 3.0  # steps, of one of which no axis does
_MOST_STEPS = 10.0
_FINE_GYRO, _FINE_ACCEL = 0.002, 0.008  # rad/s, m/s^2; the noise of any sensor is above it
_RESTED = 0.25  # s of rest before anything is learnt by it
_LIGHTEST, _HEAVIEST = 0.9 * GRAVITY, 1.1 * GRAVITY  # of what an accelerometer at rest reads
_MOVED = 0.5  # m/s^2 by which it may change while a gyroscope repeats itself
_STUCK = 0.5  # s for which an axis may repeat itself while others of its sensor go on
_FEWEST_STUCK = 25  # such readings
_EXTREMES = 10.0  # s after which extremes are forgotten to 1/e


class CheckState(NamedTuple):
    """Says where each number of the state stands; a reading is gyroscope, then accelerometer."""

    stamp: int = 0  # s, of the last reading whose time was right
    used: int = 1  # s, of the last usable one
    period: int = 2  # s, typical
    dt: int = 3  # s to integrate the present reading over
    gap: int = 4  # s of which nothing is known before it
    clock_first: int = 5  # s, first and last stamp on another clock, if it jumped
    clock_last: int = 6
    confirmed: int = 7  # readings on the other clock
    read: int = 8  # 6, as last read
    good: int = 14  # 6, as last used
    odd: int = 20  # 6, last taken for a spike
    repeats: int = 26  # 2, of gyroscope and accelerometer
    still: int = 28  # 2, s of them
    peak: int = 30  # 2, largest jumps of the recent past
    spikes: int = 32  # in a row
    slope: int = 33  # 6, last change of each axis
    entry: int = 39  # 6, slope with which each axis came to where it repeats itself
    flat: int = 45  # 6, repeats at an extreme
    lowest: int = 51  # 6, extremes of the recent past
    highest: int = 57  # 6
    floor: int = 63  # 6, where each axis is known to clip, or NaN
    ceiling: int = 69  # 6
    clipped: int = 75  # s for which the accelerometer has been clipped
    now: int = 76  # 6, the present reading
    beyond: int = 82  # 1.0 if it is beyond the configured range
    resolution: int = 83  # 2, rad/s and m/s^2, the smallest change of an axis
    usual: int = 85  # 2, largest change of an axis at rest, usually; -1 if not known
    resting: int = 87  # s for which the readings have been like those of rest
    before: int = 88  # 3, m/s^2, the accelerometer when the gyroscope last changed; or NaN
    stuck: int = 91  # 6, s for which each axis has repeated itself while another one went on
    lived: int = 97  # 6, 1.0 once an axis has changed
    dead: int = 103  # the axis that is stuck, and 1; 0 for none
    units: int = 104  # UNITS_SIZE numbers
    size: int = 104 + UNITS_SIZE


class CheckSettings(NamedTuple):
    """Says where each setting stands, in the order of `check_settings`."""

    gyro_range: int = 0
    accel_range: int = 1
    longest_bridge: int = 2
    confirmations: int = 3
    frozen_after: int = 4
    gyro_jump: int = 5
    accel_jump: int = 6
    spike_ratio: int = 7
    spike_memory: int = 8
    check_units: int = 9
    largest_bias: int = 10
    largest_noise: int = 11
    mounted: int = 12  # 1.0 if the readings were turned out of the sensor's axes
    to_sensor: int = 13  # 9, the matrix that turns them back, row by row
    size: int = 22


S, C = CheckState(), CheckSettings()


@compiled
def forget_readings(x: Numbers) -> None:
    """Forgets everything, as at start-up."""
    for i in range(S.size):
        x[i] = 0.0
    x[S.stamp] = x[S.used] = x[S.period] = x[S.clock_first] = x[S.clock_last] = math.nan
    for i in range(6):
        x[S.read + i] = x[S.good + i] = x[S.odd + i] = math.nan
        x[S.floor + i] = x[S.ceiling + i] = math.nan
    for i in range(2):
        x[S.resolution + i], x[S.usual + i] = math.inf, -1.0
    for i in range(6):
        x[S.stuck + i] = 1e-9  # not 0 until it has changed
    x[S.before] = math.nan
    start_units(x, S.units)


@compiled
def judge_reading(
    x: Numbers,
    c: Numbers,
    stamp: float,
    gx: float,
    gy: float,
    gz: float,
    ax: float,
    ay: float,
    az: float,
) -> int:
    """Judges the next reading, and writes its `dt` and `gap`.

    The reading comes as numbers: an array of another type or layout would be compiled anew. It is
    judged in the sensor's own axes, where alone a limit or a stuck axis shows, and `now` is what
    came.

    Args:
        x: the state; written.
        c: the settings.
        stamp: s.
        gx: rad/s, and so on.
        gy: rad/s.
        gz: rad/s.
        ax: m/s^2, and so on.
        ay: m/s^2.
        az: m/s^2.

    Returns:
        What it is found to be, one of the constants above.
    """
    if c[C.mounted] == 0.0:
        _write(x, gx, gy, gz, ax, ay, az)
        return _judged(x, c, stamp)
    for i in range(3):
        m = C.to_sensor + 3 * i
        # A turn there and back leaves rounding, which this sum takes off, or nothing would repeat.
        x[S.now + i] = c[m] * gx + c[m + 1] * gy + c[m + 2] * gz + _GRAIN - _GRAIN
        x[S.now + 3 + i] = c[m] * ax + c[m + 1] * ay + c[m + 2] * az + _GRAIN - _GRAIN
    found = _judged(x, c, stamp)
    _write(x, gx, gy, gz, ax, ay, az)
    return found


@compiled
def _write(x: Numbers, gx: float, gy: float, gz: float, ax: float, ay: float, az: float) -> None:
    x[S.now], x[S.now + 1], x[S.now + 2] = gx, gy, gz
    x[S.now + 3], x[S.now + 4], x[S.now + 5] = ax, ay, az


@compiled
def _judged(x: Numbers, c: Numbers, stamp: float) -> int:
    since = stamp - x[S.stamp]
    x[S.gap] = x[S.dt] = x[S.beyond] = 0.0
    if since > 0.0 and since <= c[C.longest_bridge]:
        x[S.confirmed] = 0.0
    else:
        wrong = _odd_time(x, c, stamp)
        if wrong != FINE:
            return wrong
        since = stamp - x[S.stamp]
    x[S.stamp] = stamp
    wrong = _implausible(x, c, since)
    if wrong > LAST_USABLE:
        return wrong
    found = _usable(x, c, stamp, since)
    return found if found != FINE else wrong


@compiled
def _usable(x: Numbers, c: Numbers, stamp: float, since: float) -> int:
    dt = stamp - x[S.used]
    x[S.used] = stamp
    if x[S.gap] > 0.0:
        x[S.dt] = since
        return GAP
    if dt <= c[C.longest_bridge]:
        x[S.dt] = dt
        lost = dt > 2.5 * x[S.period]  # False while the period is not known
        if x[S.period] > 0.0:
            x[S.period] += 0.05 * (min(dt, 2.0 * x[S.period]) - x[S.period])
        else:
            x[S.period] = dt
        return DROPOUT if lost else FINE
    if math.isnan(dt):
        return FINE
    x[S.dt], x[S.gap] = since, dt - since
    return GAP


@compiled
def _odd_time(x: Numbers, c: Numbers, stamp: float) -> int:
    """Returns why the reading is left out; FINE if it is the first or on a new clock."""
    if not math.isfinite(stamp):
        return NOT_FINITE
    if math.isnan(x[S.stamp]):
        return FINE
    if stamp == x[S.stamp]:
        return DUPLICATE
    last = x[S.clock_last]
    if x[S.confirmed] > 0.0 and stamp == last:
        return DUPLICATE
    if x[S.confirmed] > 0.0 and stamp - last > 0.0 and stamp - last <= c[C.longest_bridge]:
        x[S.confirmed] += 1.0
    else:
        x[S.clock_first], x[S.confirmed] = stamp, 1.0
    x[S.clock_last] = stamp
    if x[S.confirmed] < c[C.confirmations]:
        return LEAP if stamp > x[S.stamp] else FROM_THE_PAST
    silent = last - x[S.used] if last > x[S.used] else last - x[S.clock_first]
    x[S.gap] = min(max(silent, 1e-9), _LONGEST)
    x[S.stamp] = last
    x[S.confirmed] = 0.0
    return FINE


@compiled
def _implausible(x: Numbers, c: Numbers, since: float) -> int:
    total, rate, force, squares = 0.0, 0.0, 0.0, 0.0
    for i in range(3):
        squares += x[S.now + 3 + i] * x[S.now + 3 + i]
        total += x[S.now + i] + x[S.now + 3 + i]
        rate = max(rate, abs(x[S.now + i]))
        force = max(force, abs(x[S.now + 3 + i]))
    if not math.isfinite(total):
        return NOT_FINITE
    # A sensor at its limit repeats itself as a frozen one does, so saturation is tested first.
    if not (rate < c[C.gyro_range] and force < c[C.accel_range]):
        x[S.beyond] = 1.0
        return SATURATED
    turned, pushed = _jump(x, S.read, S.now), _jump(x, S.read + 3, S.now + 3)
    clipped_gyro = _clips(x, 0, turned > 0.0, _GYRO_FLOOR, since)
    clipped_accel = _clips(x, 3, pushed > 0.0, _ACCEL_FLOOR, since)
    still = squares > _LIGHTEST**2 and squares < _HEAVIEST**2
    rests = still and rate <= c[C.largest_bias]
    if turned == 0.0:
        rests = rests and _keeps_its_place(x)
    else:
        rests = rests and pushed <= _MOVED
        x[S.before] = math.nan
    _learn_resolution(x, since, rests, turned, pushed)
    frozen = turned == 0.0 or pushed == 0.0
    if frozen:
        still = still and _turns_level(x, c, squares)
        # Zeros since the start are no reading at all.
        rests = rests and (rate > 0.0 or x[S.resolution] < math.inf)
        frozen = _is_frozen(x, c, since, turned == 0.0, pushed == 0.0, rests, still)
    else:
        x[S.repeats] = x[S.repeats + 1] = x[S.still] = x[S.still + 1] = 0.0
    for i in range(6):
        x[S.read + i] = x[S.now + i]
    if frozen:
        return FROZEN
    x[S.clipped] = x[S.clipped] + since if clipped_accel else 0.0
    if clipped_gyro or x[S.clipped] > c[C.longest_bridge]:
        return SATURATED
    if x[S.dead] > 0.0 and c[C.frozen_after] > 0.0:
        return STUCK + int(x[S.dead]) - 1
    if _is_spike(x, c, since):
        return SPIKE
    if c[C.check_units] == 0.0:
        return ACCEL_CLIPPED if clipped_accel else FINE
    units = judge_units(x, S.units, S.now, since, c[C.largest_bias], c[C.largest_noise])
    if units == 0:
        return ACCEL_CLIPPED if clipped_accel else FINE
    return GYRO_UNIT if units == 1 else ACCEL_UNIT


@compiled
def _clips(x: Numbers, first: int, lives: bool, least: float, since: float) -> bool:
    """Returns whether an axis of a sensor is cut off at a limit that nobody has said, and notes
    how its axes change.

    A plateau shows such a limit: an axis that was on its way to further extremes repeats one bit
    for bit, while the other axes of the same sensor go on. From then on the limit is known,
    until a reading beyond it disproves it.

    Args:
        x: the state; written.
        first: the sensor's first axis in a reading.
        lives: whether any of its axes changed.
        least: a smaller extreme is no limit.
        since: s since the reading before.
    """
    found = False
    keep = max(0.0, 1.0 - since / _EXTREMES) if since > 0.0 else 1.0
    for i in range(3):
        k = first + i
        value = x[S.now + k]
        change = abs(value - x[S.read + k])
        x[S.lowest + k] = min(keep * x[S.lowest + k], value)
        x[S.highest + k] = max(keep * x[S.highest + k], value)
        if change > 0.0:
            if x[S.stuck + k] > 0.0:
                x[S.stuck + k], x[S.lived + k] = 0.0, 1.0
                if x[S.dead] == k + 1.0:
                    x[S.dead] = 0.0
            if change < x[S.resolution + first // 3]:
                x[S.resolution + first // 3] = change
        elif lives:
            _count_stuck(x, first, i, since)
        if value > x[S.ceiling + k]:
            x[S.ceiling + k] = math.nan
        if value < x[S.floor + k]:
            x[S.floor + k] = math.nan
        extreme = abs(value) >= least and (value == x[S.lowest + k] or value == x[S.highest + k])
        if change == 0.0 and extreme:
            x[S.flat + k] += 1.0 if lives else 0.0
            if x[S.flat + k] >= _FLAT and (x[S.flat + k] * x[S.entry + k] >= _MISSED * abs(value)):
                if value > 0.0:
                    x[S.ceiling + k] = value
                else:
                    x[S.floor + k] = value
        else:
            x[S.flat + k] = 0.0
            x[S.entry + k] = max(change, x[S.slope + k]) if change == change else 0.0
        if change == change:
            x[S.slope + k] = change
        found = found or value == x[S.ceiling + k] or value == x[S.floor + k]
    return found


@compiled
def _is_frozen(
    x: Numbers, c: Numbers, since: float, gyro: bool, accel: bool, rests: bool, level: bool
) -> bool:
    """Returns whether a sensor has repeated itself for longer than it can by itself.

    One whose noise is far above its resolution never does. A coarser one repeats itself at rest,
    which counts for nothing while the other sensor agrees that the body rests.

    Args:
        x: the state; written.
        c: the settings.
        since: s since the reading before.
        gyro: whether the gyroscope repeats itself.
        accel: whether the accelerometer does.
        rests: whether both read as at rest.
        level: whether a body that moves so would keep the accelerometer's reading.
    """
    found = False
    for i in range(2):
        repeats, excused = (gyro, rests) if i == 0 else (accel, level)
        if not repeats:
            x[S.repeats + i] = x[S.still + i] = 0.0
        elif not excused or _is_fine(x, i):
            x[S.repeats + i] += 1.0
            x[S.still + i] += since
        enough = x[S.repeats + i] >= _FEWEST_REPEATS and x[S.still + i] >= c[C.frozen_after]
        found = found or enough
    return found and c[C.frozen_after] > 0.0


@compiled
def _is_fine(x: Numbers, sensor: int) -> bool:
    """Returns whether a sensor's noise is above its resolution, or would be of any sensor."""
    usual = x[S.usual + sensor]
    fine = _FINE_GYRO if sensor == 0 else _FINE_ACCEL
    step = x[S.resolution + sensor]
    return usual >= _FINE * step or (usual < 0.0 and step < fine)


@compiled
def _keeps_its_place(x: Numbers) -> bool:
    """Returns whether the accelerometer reads as when the gyroscope last changed."""
    if math.isnan(x[S.before]):
        for i in range(3):
            x[S.before + i] = x[S.read + 3 + i]
    return (
        abs(x[S.now + 3] - x[S.before]) <= _MOVED
        and abs(x[S.now + 4] - x[S.before + 1]) <= _MOVED
        and abs(x[S.now + 5] - x[S.before + 2]) <= _MOVED
    )


@compiled
def _turns_level(x: Numbers, c: Numbers, squares: float) -> bool:
    """Returns whether the body turns about the vertical alone, which leaves gravity as it is."""
    turning = 0.0
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        turning += (x[S.now + j] * x[S.now + 3 + k] - x[S.now + k] * x[S.now + 3 + j]) ** 2
    return turning <= c[C.largest_bias] ** 2 * squares


@compiled
def _learn_resolution(x: Numbers, since: float, rests: bool, turned: float, pushed: float) -> None:
    """Learns at rest by how much each sensor usually changes from one reading to the next."""
    x[S.resting] = x[S.resting] + since if rests else 0.0
    if not x[S.resting] > _RESTED:
        return
    for i in range(2):
        change = turned if i == 0 else pushed
        if change > 0.0:
            change = min(change, _MOST_STEPS * x[S.resolution + i])
            usual = x[S.usual + i]
            x[S.usual + i] = usual + 0.05 * (change - usual) if usual >= 0.0 else 0.0


@compiled
def _count_stuck(x: Numbers, first: int, axis: int, since: float) -> None:
    """Counts for how long an axis has repeated itself while another of the sensor goes on.

    An axis of a sensor whose noise is well above its resolution is stuck then. One that never
    changed may be made up, as a planar robot's, unless it is the only one of a gyroscope.
    """
    k, j, i = first + axis, first + (axis + 1) % 3, first + (axis + 2) % 3
    x[S.stuck + k] += since
    if x[S.stuck + k] < max(_STUCK, _FEWEST_STUCK * x[S.period]):
        return
    others = first == 0 and x[S.lived + j] > 0.0 and x[S.lived + i] > 0.0
    sensor = first // 3
    fine = x[S.usual + sensor] >= _MUCH_FINER * x[S.resolution + sensor]
    if fine and (x[S.lived + k] > 0.0 or others):
        x[S.dead] = k + 1.0


@compiled
def _is_spike(x: Numbers, c: Numbers, since: float) -> bool:
    if x[S.stamp] - x[S.used] > c[C.longest_bridge]:
        for i in range(6):
            x[S.good + i] = math.nan  # too old to compare with
    turned, pushed = _jump(x, S.good, S.now), _jump(x, S.good + 3, S.now + 3)
    gyro_limit = max(c[C.gyro_jump], c[C.spike_ratio] * x[S.peak])
    accel_limit = max(c[C.accel_jump], c[C.spike_ratio] * x[S.peak + 1])
    if turned > gyro_limit or pushed > accel_limit:
        again = x[S.spikes] > 0.0 and (
            _jump(x, S.odd, S.now) <= gyro_limit and _jump(x, S.odd + 3, S.now + 3) <= accel_limit
        )
        if not again and x[S.spikes] < _MOST_SPIKES:
            x[S.spikes] += 1.0
            for i in range(6):
                x[S.odd + i] = x[S.now + i]
            if pushed > accel_limit:
                # The next one as large is believed: a body that is hit, not a broken sensor.
                # Its rotation cannot jump there and back, whatever hits it.
                x[S.peak + 1] = accel_limit
            return True
    x[S.spikes] = 0.0
    keep = max(0.0, 1.0 - since / c[C.spike_memory])
    # The first jump is NaN, which is not greater.
    x[S.peak] = turned if turned > keep * x[S.peak] else keep * x[S.peak]
    x[S.peak + 1] = pushed if pushed > keep * x[S.peak + 1] else keep * x[S.peak + 1]
    for i in range(6):
        x[S.good + i] = x[S.now + i]
    return False


@compiled
def _jump(x: Numbers, before: int, now: int) -> float:
    """Returns the largest change of three axes; NaN if they were not read before."""
    if math.isnan(x[before]):
        return math.nan
    largest = 0.0
    for i in range(3):
        largest = max(largest, abs(x[now + i] - x[before + i]))
    return largest
