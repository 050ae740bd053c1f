"""Computes, compiled, what the attitude filter needs around VQF: one call for each reading.

A reading is judged, freed of the gyroscope's large bias, and counted in the covariance.
DERIVATION.md has the formulas, by the names here.
"""

import math

from edge_runtime.fusion.attitude.state import FIELD_TIMEOUT, QUARTER, A, K
from edge_runtime.fusion.compiled import Numbers, compiled
from edge_runtime.fusion.imu_check_state import C, S
from edge_runtime.fusion.imu_reading import (
    ACCEL_UNIT,
    DROPOUT,
    GAP,
    GYRO_UNIT,
    LAST_USABLE,
    SATURATED,
    judge_reading,
)
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.lie import times_conjugate
from edge_runtime.signals import Float

CLIPPED = 24  # a reading by a gyroscope that turns faster than it can read, still the best known
# What `take_reading` adds to what the reading was found to be.
QUARTER_ENDS = 32  # `end_quarter` is due
# What `take_field` returns instead of a number of repeats.
REFUSED, IMU_IS_SILENT = 0, -1

_SAME_WAY = 0.5  # s for which a body turns the same way
_AVERAGED = 0.25  # share of the field's variance that motion leaves over within tau_mag
_LONGEST_AGE = 0.1  # s; an older magnetometer reading is refused
_MOST_REPEATS = 50  # of one magnetometer reading that stands for lost ones
_OVERSHOOT = 0.5  # of the rate at which a gyroscope clips, by which the true one may exceed it
_CHANGE = 0.25  # of the change of rate over lost readings: how wrong the rate is meanwhile
_WANDER_SHARE = 0.7  # of its variance that is error, since it rises faster than it falls


@compiled
def start_attitude(x: Numbers, c: Numbers, period: float) -> None:
    """Starts a new attitude; the bias stays, and so does what is known of the readings."""
    for i in range(A.stamp, A.bias):
        x[i] = 0.0
    for i in range(A.period, A.size):
        x[i] = 0.0
    x[A.stamp] = x[A.field_stamp] = x[A.silent_since] = math.nan
    x[A.accel + 2] = GRAVITY
    x[A.period] = period
    x[A.heading_variance] = c[K.field_sigma] ** 2
    x[A.correction] = 1.0


@compiled
def take_reading(
    x: Numbers,
    c: Numbers,
    fed: Float,
    stamp: float,
    gx: float,
    gy: float,
    gz: float,
    ax: float,
    ay: float,
    az: float,
) -> int:
    """Judges a reading and prepares it for VQF.

    Args:
        x: the state; written.
        c: the settings.
        fed: (6,) rad/s and m/s^2, what VQF is to integrate over one period; written.
        stamp: s.
        gx: rad/s, and so on.
        gy: rad/s.
        gz: rad/s.
        ax: m/s^2, and so on.
        ay: m/s^2.
        az: m/s^2.

    Returns:
        What the reading was found to be, or CLIPPED, and QUARTER_ENDS besides.
    """
    found = judge_reading(x, c, stamp, gx, gy, gz, ax, ay, az)
    x[A.silent_since] = math.nan
    if found > LAST_USABLE:
        x[A.unusable] += 1.0
        units = found in (GYRO_UNIT, ACCEL_UNIT)
        if units or x[A.unusable] * x[A.period] > c[K.longest_loss]:
            x[A.lost] = 1.0
        clipped = found == SATURATED and x[S.beyond] == 0.0
        if not clipped or math.isnan(x[S.used]) or stamp - x[S.used] > c[C.longest_bridge]:
            return found
        # The true rate is larger, but no other is known that is nearer.
        found, x[S.dt], x[S.used] = CLIPPED, stamp - x[S.used], stamp
    dt = x[S.dt]
    if found == DROPOUT:
        _distrust_lost_readings(x, dt)
    if found == CLIPPED:
        _distrust_clipped(x, dt)
    else:
        x[A.unusable] = x[A.overshoot] = x[A.lost] = 0.0
    x[A.stamp] = stamp
    n = dt / x[A.period] if dt > 0.0 else 1.0
    for i in range(3):
        rate, bias = x[S.now + i], x[A.bias + i]
        x[A.gyro + i], x[A.accel + i] = rate, x[S.now + 3 + i]
        fed[i] = bias + n * (rate - bias) - x[A.offset + i]
        fed[3 + i] = x[S.now + 3 + i]
    if found == GAP:
        return found  # the attitude starts anew
    x[A.seconds] += dt
    _spread(x, c, dt)
    for i in range(6):
        value = x[S.now + i]
        x[A.sums + i] += value
        x[A.squares + i] += value * value
    x[A.quarter] += dt
    x[A.readings] += 1.0
    return found + QUARTER_ENDS if x[A.quarter] >= QUARTER else found


@compiled
def _distrust_lost_readings(x: Numbers, dt: float) -> None:
    """Widens tilt and heading by what the body may have turned otherwise meanwhile."""
    change = 0.0
    for i in range(3):
        change += (x[S.now + i] - x[A.gyro + i]) ** 2
    off = _CHANGE**2 * change * dt * dt
    x[A.tilt_drift] += off
    x[A.heading_variance] += off


@compiled
def _distrust_clipped(x: Numbers, dt: float) -> None:
    """Widens tilt and heading by what the body may have turned beyond the gyroscope's range."""
    rate = 0.0
    for i in range(3):
        rate += x[S.now + i] ** 2
    before = x[A.overshoot]
    x[A.overshoot] = before + _OVERSHOOT * math.sqrt(rate) * dt
    off = x[A.overshoot] ** 2 - before**2
    x[A.tilt_drift] = min(x[A.tilt_drift] + off, math.pi**2)
    x[A.heading_variance] += off


@compiled
def _spread(x: Numbers, c: Numbers, dt: float) -> None:
    """Propagates the variances of heading and tilt over dt."""
    rate, force = 0.0, 0.0
    for i in range(3):
        rate += (x[A.gyro + i] - x[A.bias + i]) ** 2
        force += x[A.accel + i] ** 2
    # Scale errors: a random walk, as the body keeps turning the same way for a while only.
    drift = 2.0 * _SAME_WAY * c[K.scale_sigma] ** 2 * rate
    # A constant bias error makes sigma grow at its rate, and sigma^2 at 2 sigma times that.
    bias = 2.0 * x[A.turning_sigma] * math.sqrt(x[A.heading_variance])
    x[A.heading_variance] = min(x[A.heading_variance] + dt * (drift + bias), math.pi**2)
    share = min(dt / c[K.tau_acc], 1.0)
    x[A.tilt_drift] += dt * drift - 2.0 * min(share, 0.5) * x[A.tilt_drift]
    x[A.pushed] += share * (abs(math.sqrt(force) - GRAVITY) - x[A.pushed])


@compiled
def take_field(
    x: Numbers, c: Numbers, fed: Float, stamp: float, mx: float, my: float, mz: float, known: bool
) -> int:
    """Prepares a magnetometer's reading for VQF.

    Args:
        x: the state; written.
        c: the settings.
        fed: (3,) the field as it is in the body's present axes; written.
        stamp: s.
        mx: in any unit, and so on.
        my: likewise.
        mz: likewise.
        known: whether VQF believed the reading before this one.

    Returns:
        How many times VQF is to take it in; REFUSED, or IMU_IS_SILENT.
    """
    since, age = stamp - x[A.field_stamp], x[A.stamp] - stamp
    if age < -_LONGEST_AGE:
        if not x[A.silent_since] <= stamp:  # also NaN
            x[A.silent_since] = stamp
        if stamp - x[A.silent_since] > c[K.longest_loss]:
            x[A.lost] = 1.0
            return IMU_IS_SILENT
    if since <= 0.0 or not abs(age) <= _LONGEST_AGE:
        return REFUSED
    if not math.isfinite(mx + my + mz) or (mx == 0.0 and my == 0.0 and mz == 0.0):
        return REFUSED
    x[A.field_stamp] = stamp
    # The body has turned since, so the field has turned in its frame.
    wx, wy, wz = (
        x[A.gyro] - x[A.bias],
        x[A.gyro + 1] - x[A.bias + 1],
        x[A.gyro + 2] - x[A.bias + 2],
    )
    fed[0] = x[A.field] = mx + age * (my * wz - mz * wy)
    fed[1] = x[A.field + 1] = my + age * (mz * wx - mx * wz)
    fed[2] = x[A.field + 2] = mz + age * (mx * wy - my * wx)
    if math.isnan(since):
        return 1
    if known and since < FIELD_TIMEOUT:
        left = _AVERAGED * c[K.field_sigma] ** 2
        gain = 1.0 - math.exp(-2.0 * since / c[K.tau_mag])
        x[A.heading_variance] += gain * min(left - x[A.heading_variance], 0.0)
    return int(min(max(round(since / x[A.period]), 1), _MOST_REPEATS))


@compiled
def describe(
    x: Numbers, c: Numbers, quaternion: Float, attitude: Float, covariance: Float
) -> tuple[float, float, float, float, bool]:
    """Writes the attitude, carried over the delay, and its covariance.

    Args:
        x: the state.
        c: the settings.
        quaternion: (4,) VQF's attitude, wxyz.
        attitude: (4,) wxyz; written.
        covariance: (9, 9); its diagonal is written.

    Returns:
        The stamp, s; the standard deviation of the tilt about each horizontal axis, rad; s since
        the start, and since the last reading of the magnetometer; whether the attitude is lost.
    """
    half = 0.5 * c[K.delay]
    i, j, k = (
        half * (x[A.gyro] - x[A.bias]),
        half * (x[A.gyro + 1] - x[A.bias + 1]),
        half * (x[A.gyro + 2] - x[A.bias + 2]),
    )
    w = 1.0 / math.sqrt(1.0 + i * i + j * j + k * k)
    attitude[0], attitude[1], attitude[2], attitude[3] = times_conjugate(
        quaternion[0], quaternion[1], quaternion[2], quaternion[3], w, -w * i, -w * j, -w * k
    )
    tilt = tilt_variance(x, c)
    covariance[0, 0] = covariance[1, 1] = tilt
    covariance[2, 2] = x[A.heading_variance] + x[A.disagreement] ** 2
    for axis in range(3, 9):
        covariance[axis, axis] = 1e6  # (m/s)^2 and m^2 of what this filter does not estimate
    since = x[A.stamp] - x[A.field_stamp]
    return x[A.stamp], math.sqrt(tilt), x[A.seconds], since, x[A.lost] == 1.0


@compiled
def tilt_variance(x: Numbers, c: Numbers) -> float:
    """Returns the variance of tilt about each horizontal axis, rad^2."""
    settled = min(x[A.seconds] / c[K.tau_acc], 1.0)
    rate = 0.0
    for i in range(3):
        rate += x[A.gyro + i] ** 2
    bias = x[A.tilting_sigma] * c[K.tau_acc] / 2.0 if settled > 0.0 else 0.0
    pushed = c[K.push_sigma] * x[A.pushed] / max(settled, 0.05)
    averaged = 0.0
    for i in range(6):
        averaged += 0.5 * x[A.axes + i] ** 2
    still = c[K.accel_sigma] / GRAVITY
    if settled == 1.0:
        still *= math.sqrt(averaged)
    late = c[K.delay_sigma] ** 2 * rate
    return (
        still**2
        + bias**2
        + late
        + pushed**2
        + x[A.tilt_drift]
        + _WANDER_SHARE * x[A.wander_variance]
    )
