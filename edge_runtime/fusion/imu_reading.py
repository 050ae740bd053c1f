"""Judges one reading of an IMU: its time, its range, and whether a sensor is stuck or struck.

The functions are compiled; `imu_check_state` lays out their state and their settings.
"""

import math

from edge_runtime.fusion.compiled import Numbers, compiled
from edge_runtime.fusion.imu_check_state import C, S
from edge_runtime.fusion.imu_repeats import (
    MOVED,
    count_stuck,
    is_frozen,
    keeps_its_place,
    learn_resolution,
    turns_level,
)
from edge_runtime.fusion.imu_units import GRAVITY, judge_units, start_units

# What a reading is found to be. Of the usable ones nothing, a gap, a dropout or a clipped
# accelerometer can be said.
FINE = 0
GAP, DROPOUT, ACCEL_CLIPPED = 1, 2, 3
LAST_USABLE = ACCEL_CLIPPED
NOT_FINITE, DUPLICATE, FROM_THE_PAST, LEAP, FROZEN, SATURATED, SPIKE = 4, 5, 6, 7, 8, 9, 10
GYRO_UNIT, ACCEL_UNIT = 11, 12
STUCK = 13  # and the axis's place in a reading

_MOST_SPIKES = 2  # in a row
_LONGEST = 1e9  # s; a longer gap is reported as this
_GYRO_FLOOR = 2.0  # rad/s; no gyroscope clips below 125 deg/s
_ACCEL_FLOOR = 14.0  # m/s^2; no accelerometer clips below 1.5 g
_FLAT = 2  # repeats of an extreme, at least, that are a plateau
_MISSED = 0.1  # of the extreme: how far it would have risen at its last slope within a plateau
_GRAIN = 1.5 * 2.0**23  # a sum with it is a multiple of 2e-9 rad/s or m/s^2
_LIGHTEST, _HEAVIEST = 0.9 * GRAVITY, 1.1 * GRAVITY  # of what an accelerometer at rest reads
_EXTREMES = 10.0  # s after which extremes are forgotten to 1/e


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
        rests = rests and keeps_its_place(x)
    else:
        rests = rests and pushed <= MOVED
        x[S.before] = math.nan
    learn_resolution(x, since, rests, turned, pushed)
    frozen = turned == 0.0 or pushed == 0.0
    if frozen:
        still = still and turns_level(x, c, squares)
        # Zeros since the start are no reading at all.
        rests = rests and (rate > 0.0 or x[S.resolution] < math.inf)
        frozen = is_frozen(x, c, since, turned == 0.0, pushed == 0.0, rests, still)
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
            count_stuck(x, first, i, since)
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
