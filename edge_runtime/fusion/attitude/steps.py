"""What the attitude filter computes around VQF, compiled: one call for each reading.

A reading is judged, freed of the gyroscope's large bias, and counted in the covariance. Four times
a second `end_quarter` looks at what VQF has made of the readings: whether the body rests, how far
the inclination wanders, and whether the magnetic field is known. DERIVATION.md has the formulas,
by the names here.
"""

import math
from typing import NamedTuple

from edge_runtime.fusion.compiled import Numbers, compiled
from edge_runtime.fusion.imu_reading import (
    ACCEL_UNIT,
    DROPOUT,
    GAP,
    GYRO_UNIT,
    LAST_USABLE,
    SATURATED,
    C,
    S,
    judge_reading,
)
from edge_runtime.signals import Float

GRAVITY = 9.80665  # m/s^2

CLIPPED = 16  # a reading by a gyroscope that turns faster than it can read, still the best known
# What `take_reading` adds to what the reading was found to be.
QUARTER_ENDS = 32  # `end_quarter` is due
# What `take_field` returns instead of a number of repeats.
REFUSED, IMU_IS_SILENT = 0, -1
# What `end_quarter` returns; the sum of these.
NEW_BIAS, SHIFTED_BIAS, NEW_FIELD = 1, 2, 4
# The magnetic field as VQF sees it.
FIELD_UNKNOWN, FIELD_KNOWN, FIELD_DISTURBED = 0, 1, 2

_QUARTER = 0.25  # s
_SAME_WAY = 0.5  # s for which a body turns the same way
_AVERAGED = 0.25  # share of the field's variance that motion leaves over within tau_mag
_LONGEST_AGE = 0.1  # s; an older magnetometer reading is refused
_MOST_REPEATS = 50  # of one magnetometer reading that stands for lost ones
_FIELD_TIMEOUT = 1.0  # s
_OVERSHOOT = 0.5  # of the rate at which a gyroscope clips, by which the true one may exceed it
_CHANGE = 0.25  # of the change of rate over lost readings: how wrong the rate is meanwhile
# Rest: the spread within a quarter, and how far the means of quarters may differ.
_REST, _CALM = 6, 3  # quarters after which it rests, and after which it may
_GYRO_SPREAD, _ACCEL_SPREAD = 0.02, 0.15  # rad/s and m/s^2
_GYRO_DRIFT, _ACCEL_DRIFT = 0.01, 0.08  # rad/s and m/s^2
_OFFSET = 0.033  # rad/s; VQF learns by itself what is less
_TURN = 0.1  # rad/s about the vertical that is a turn, unless the magnetic field says otherwise
_SAME_BIAS = 0.05  # rad/s by which a bias that was learnt at rest may change about the vertical
REST_SIGMA = 0.001  # rad/s, of a bias that was learnt at rest
_VQF_CLIP = math.radians(2.0)  # rad/s, of VQF's own estimate
_WANDER_MEMORY, _WANDER_RISE = 12.0, 1.0  # s over which its variance falls and rises
_WANDER_SHARE = 0.7  # of it that is error, since it rises faster than it falls
# The field: changes within which it is the same, and what shows that it is not the body's own.
_SAME_STRENGTH, _SAME_DIP = 0.1, math.radians(10.0)
_TURNING = 0.05  # rad/s
_FIRST_FIELD = (0.5, 8.0)  # rad turned and s
_NEXT_FIELD = (3.5, 20.0)
_DISAGREEING = 3.0  # s over which the heading's innovations are averaged


class AttitudeState(NamedTuple):
    """Says where each number of the state stands; the state of the reading's check comes first."""

    stamp: int = S.size  # s, of the last reading that was used
    gyro: int = S.size + 1  # 3, rad/s, as last used
    accel: int = S.size + 4  # 3, m/s^2
    bias: int = S.size + 7  # 3, rad/s, of the gyroscope: `offset` and VQF's
    offset: int = S.size + 10  # 3, rad/s, that is subtracted before VQF
    tilting_sigma: int = S.size + 13  # rad/s, of the bias about a horizontal axis
    learnt: int = S.size + 14  # 1.0 once the bias was learnt at rest
    period: int = S.size + 15  # s
    seconds: int = S.size + 16  # since the start
    unusable: int = S.size + 17  # readings in a row
    overshoot: int = S.size + 18  # rad by which the body may have turned more while clipped
    lost: int = S.size + 19  # 1.0 or 0.0
    silent_since: int = S.size + 20  # s, by the stamps of the magnetometer
    pushed: int = S.size + 21  # m/s^2, other forces than gravity, low-passed
    tilt_drift: int = S.size + 22  # rad^2
    heading_variance: int = S.size + 23  # rad^2
    # The present quarter of a second.
    quarter: int = S.size + 24  # s
    readings: int = S.size + 25
    sums: int = S.size + 26  # 6
    squares: int = S.size + 32  # 6
    # Rest.
    quarters: int = S.size + 38  # at rest
    rest_sums: int = S.size + 39  # 6, of their means
    rest_field: int = S.size + 45  # 3, the field's direction when it began
    # How far the inclination wanders by VQF's corrections.
    correction: int = S.size + 48  # 4, the quaternion q_acc at the end of the last quarter
    wander: int = S.size + 52  # 2, rad, corrections since the start about x and y
    wander_mean: int = S.size + 54  # 2, rad, low-passed
    wander_variance: int = S.size + 56  # rad^2, of each axis
    # The magnetic field.
    field: int = S.size + 57  # 3, the last reading
    field_stamp: int = S.size + 60  # s
    strength: int = S.size + 61  # of the candidate, in the unit of the readings
    dip: int = S.size + 62  # rad
    steady: int = S.size + 63  # s of turning in which it has been the same
    turned: int = S.size + 64  # rad by which the body turned meanwhile
    disagreement: int = S.size + 65  # rad, of heading and field, low-passed
    turning_sigma: int = S.size + 66  # rad/s, of the bias about the vertical
    axes: int = S.size + 67  # 6, the world's x and y in the body, low-passed over tau_acc
    size: int = S.size + 73


class AttitudeSettings(NamedTuple):
    """Says where each setting stands; those of the reading's check come first."""

    tau_acc: int = C.size
    tau_mag: int = C.size + 1
    delay: int = C.size + 2
    period: int = C.size + 3
    longest_loss: int = C.size + 4
    accel_sigma: int = C.size + 5
    push_sigma: int = C.size + 6
    scale_sigma: int = C.size + 7
    delay_sigma: int = C.size + 8
    field_sigma: int = C.size + 9
    gyro_bias_std: int = C.size + 10
    gyro_bias_clip: int = C.size + 11


A, K = AttitudeState(), AttitudeSettings()


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
        clipped = found == SATURATED and max(abs(gx), abs(gy), abs(gz)) < c[C.gyro_range]
        clipped = clipped and max(abs(ax), abs(ay), abs(az)) < c[C.accel_range]
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
    return found + QUARTER_ENDS if x[A.quarter] >= _QUARTER else found


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
    if known and since < _FIELD_TIMEOUT:
        left = _AVERAGED * c[K.field_sigma] ** 2
        gain = 1.0 - math.exp(-2.0 * since / c[K.tau_mag])
        x[A.heading_variance] += gain * min(left - x[A.heading_variance], 0.0)
    return int(min(max(round(since / x[A.period]), 1), _MOST_REPEATS))


@compiled
def end_quarter(
    x: Numbers,
    c: Numbers,
    vqf_bias: Float,
    bias_covariance: Float,
    strapdown: Float,
    tilted: Float,
    heading: float,
    field: int,
) -> int:
    """Looks at what VQF made of the last quarter of a second.

    Args:
        x: the state; written.
        c: the settings.
        vqf_bias: (3,) rad/s, VQF's own.
        bias_covariance: (9,) its covariance, (0.01 deg/s)^2, row by row.
        strapdown: (4,) q_gyr, wxyz.
        tilted: (4,) q_acc q_gyr, wxyz.
        heading: rad, VQF's delta.
        field: FIELD_UNKNOWN, FIELD_KNOWN or FIELD_DISTURBED, as VQF sees it.

    Returns:
        What is new to VQF: NEW_BIAS (of REST_SIGMA), SHIFTED_BIAS, NEW_FIELD, a sum or 0.
    """
    for i in range(3):
        x[A.bias + i] = x[A.offset + i] + vqf_bias[i]
    _spread_of_bias(x, bias_covariance, tilted)
    news = 0
    _wander(x, c, strapdown, tilted)
    _average_axes(x, c, tilted)
    rests = _rests(x)
    if x[A.quarters] >= _CALM:
        _distrust_stillness(x, c)
    if rests:
        news += _learn_at_rest(x, c)
    if news == 0 and _follow_bias(x, c):
        news += SHIFTED_BIAS
    if x[A.stamp] - x[A.field_stamp] < _FIELD_TIMEOUT:
        news += _watch_field(x, tilted, heading, field)
    x[A.quarter] = x[A.readings] = 0.0
    for i in range(6):
        x[A.sums + i] = x[A.squares + i] = 0.0
    return news


@compiled
def _spread_of_bias(x: Numbers, covariance: Float, tilted: Float) -> None:
    """Splits the bias's variance into that about the vertical and that about horizontal axes."""
    w, i, j, k = tilted[0], tilted[1], tilted[2], tilted[3]
    up = (2.0 * (i * k - w * j), 2.0 * (w * i + j * k), w * w - i * i - j * j + k * k)
    total, upward = 0.0, 0.0
    for row in range(3):
        total += covariance[4 * row]
        for column in range(3):
            upward += up[row] * covariance[3 * row + column] * up[column]
    unit = math.radians(0.01) ** 2
    x[A.turning_sigma] = math.sqrt(max(unit * upward, 0.0))
    x[A.tilting_sigma] = math.sqrt(max(0.5 * unit * (total - upward), 0.0))


@compiled
def _wander(x: Numbers, c: Numbers, strapdown: Float, tilted: Float) -> None:
    """Measures how far the inclination is corrected to and fro, and which way it drifts."""
    # q_acc = q_acc q_gyr * conjugate(q_gyr), and its change since the quarter before.
    a0, a1, a2, a3 = _times_conjugate(
        tilted[0], tilted[1], tilted[2], tilted[3],
        strapdown[0], strapdown[1], strapdown[2], strapdown[3],
    )  # fmt: skip
    d0, d1, d2, _ = _times_conjugate(
        a0, a1, a2, a3,
        x[A.correction], x[A.correction + 1], x[A.correction + 2], x[A.correction + 3],
    )  # fmt: skip
    x[A.correction], x[A.correction + 1] = a0, a1
    x[A.correction + 2], x[A.correction + 3] = a2, a3
    if x[A.seconds] <= 0.5 * c[K.tau_acc]:
        return  # the first corrections find what is down
    sign = 2.0 if d0 > 0.0 else -2.0
    dt = x[A.quarter]
    x[A.wander] += sign * d1
    x[A.wander + 1] += sign * d2
    keep = math.exp(-dt / c[K.tau_acc])
    off = 0.0
    for i in range(2):
        x[A.wander_mean + i] = x[A.wander + i] + keep * (x[A.wander_mean + i] - x[A.wander + i])
        off += 0.5 * (x[A.wander + i] - x[A.wander_mean + i]) ** 2
    share = 1.0 - math.exp(-dt / (_WANDER_MEMORY if off < x[A.wander_variance] else _WANDER_RISE))
    x[A.wander_variance] += share * (off - x[A.wander_variance])


@compiled
def _average_axes(x: Numbers, c: Numbers, tilted: Float) -> None:
    """Low-passes the body's axes as VQF does the specific force: turning averages its bias."""
    w, i, j, k = tilted[0], tilted[1], tilted[2], tilted[3]
    first = x[A.axes] == 0.0 and x[A.axes + 1] == 0.0 and x[A.axes + 2] == 0.0
    share = 1.0 if first else 1.0 - math.exp(-x[A.quarter] / c[K.tau_acc])
    axes = (
        *(w * w + i * i - j * j - k * k, 2.0 * (i * j - w * k), 2.0 * (i * k + w * j)),
        *(2.0 * (i * j + w * k), w * w - i * i + j * j - k * k, 2.0 * (j * k - w * i)),
    )
    for number in range(6):
        x[A.axes + number] += share * (axes[number] - x[A.axes + number])


@compiled
def _times_conjugate(
    a0: float, a1: float, a2: float, a3: float, b0: float, b1: float, b2: float, b3: float
) -> tuple[float, float, float, float]:
    return (
        a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3,
        -a0 * b1 + a1 * b0 - a2 * b3 + a3 * b2,
        -a0 * b2 + a1 * b3 + a2 * b0 - a3 * b1,
        -a0 * b3 - a1 * b2 + a2 * b1 + a3 * b0,
    )


@compiled
def _rests(x: Numbers) -> bool:
    """Returns whether the body has rested for `_REST` quarters, whatever the gyroscope's mean.

    Neither sensor may spread or drift by more than its noise. A body that turns otherwise than
    about the vertical moves gravity through the accelerometer's axes, and one that turns about
    it moves the magnetic field.
    """
    n = max(x[A.readings], 1.0)
    still = x[A.readings] >= 4.0
    count = max(x[A.quarters], 1.0)
    for i in range(6):
        mean = x[A.sums + i] / n
        spread = x[A.squares + i] / n - mean * mean
        drift = abs(mean - x[A.rest_sums + i] / count) if x[A.quarters] > 0.0 else 0.0
        largest = _GYRO_SPREAD if i < 3 else _ACCEL_SPREAD
        noise = 4.0 * math.sqrt(max(spread, 0.0) / n)
        still = still and spread < largest**2
        still = still and drift < (_GYRO_DRIFT if i < 3 else _ACCEL_DRIFT) + noise
    if x[A.quarters] == 0.0 or not still:
        x[A.quarters] = 0.0
        for i in range(6):
            x[A.rest_sums + i] = 0.0
        for i in range(3):
            x[A.rest_field + i] = x[A.field + i]
    if still:
        x[A.quarters] += 1.0
        for i in range(6):
            x[A.rest_sums + i] += x[A.sums + i] / n
    return x[A.quarters] >= _REST


@compiled
def _distrust_stillness(x: Numbers, c: Numbers) -> None:
    """Widens the tilt where a rate would tip the body over, but gravity stays where it is."""
    count = x[A.quarters]
    along, rate, force = 0.0, 0.0, 0.0
    for i in range(3):
        off, up = x[A.rest_sums + i] / count - x[A.bias + i], x[A.rest_sums + 3 + i]
        along += off * up
        rate += off * off
        force += up * up
    tipping = max(rate - along * along / force, 0.0)
    moved = 0.5 * math.sqrt(tipping) * count * _QUARTER * GRAVITY  # of a quarter from their mean
    if moved < 2.0 * _ACCEL_DRIFT:
        return  # it may turn so slowly, unseen
    x[A.wander_variance] = max(x[A.wander_variance], 0.5 * tipping * c[K.tau_acc] ** 2)


@compiled
def _learn_at_rest(x: Numbers, c: Numbers) -> int:
    """Takes the gyroscope's mean at rest for its bias, if it is beyond what VQF learns by itself.

    Returns:
        NEW_BIAS if it did, else 0.
    """
    count = x[A.quarters]
    beyond, upward, before, force = 0.0, 0.0, 0.0, 0.0
    for i in range(3):
        mean, up = x[A.rest_sums + i] / count, x[A.rest_sums + 3 + i] / count
        if not abs(mean) <= c[K.gyro_bias_clip]:
            return 0
        upward += mean * up
        before += x[A.bias + i] * up
        force += up * up
    upward, before = upward / math.sqrt(force), before / math.sqrt(force)
    # What may be a turn about the vertical is left as it was.
    kept = before - upward if _turns_about_vertical(x, upward, before) else 0.0
    off = -((upward + kept - before) ** 2)  # of horizontal axes alone
    for i in range(3):
        up = x[A.rest_sums + 3 + i] / count / math.sqrt(force)
        bias = x[A.rest_sums + i] / count + kept * up
        beyond = max(beyond, abs(bias - x[A.offset + i]))
        off += (bias - x[A.bias + i]) ** 2
    if beyond < _OFFSET:
        return 0
    for i in range(3):
        up = x[A.rest_sums + 3 + i] / count / math.sqrt(force)
        x[A.offset + i] = x[A.bias + i] = x[A.rest_sums + i] / count + kept * up
    x[A.tilt_drift] += max(off, 0.0) * c[K.tau_acc] ** 2  # what it has done to the tilt
    x[A.tilting_sigma] = x[A.turning_sigma] = REST_SIGMA
    if kept == 0.0:
        x[A.learnt] = 1.0
        x[A.quarters] = 0.0
    return NEW_BIAS


@compiled
def _turns_about_vertical(x: Numbers, upward: float, before: float) -> bool:
    """Returns whether a steady rate about the vertical is more likely a turn than a bias."""
    if abs(upward) < _OFFSET:
        return False
    if x[A.stamp] - x[A.field_stamp] < _FIELD_TIMEOUT:
        turned, now, then = 0.0, 0.0, 0.0
        for i in range(3):
            now += x[A.field + i] ** 2
            then += x[A.rest_field + i] ** 2
        if then > 0.0:
            for i in range(3):
                change = x[A.field + i] / math.sqrt(now) - x[A.rest_field + i] / math.sqrt(then)
                turned += change * change
            # A steep field turns less than the body does.
            return math.sqrt(turned) > 0.15 * abs(upward) * _QUARTER * x[A.quarters]
    if abs(upward) > _TURN or x[A.quarters] < 2 * _REST:
        return True  # or not for long enough
    changed = abs(upward - before) > _SAME_BIAS and abs(upward) > abs(before)
    return x[A.learnt] == 1.0 and changed


@compiled
def _follow_bias(x: Numbers, c: Numbers) -> bool:
    """Moves the offset to where VQF's estimate is about to be clipped.

    Returns:
        Whether it did.
    """
    largest, within = 0.0, x[A.quarters] == 0.0  # at rest VQF would take the change for a turn
    for i in range(3):
        largest = max(largest, abs(x[A.bias + i] - x[A.offset + i]))
        within = within and abs(x[A.bias + i]) <= c[K.gyro_bias_clip]
    if largest < 0.9 * _VQF_CLIP or not within:
        return False
    for i in range(3):
        x[A.offset + i] = x[A.bias + i]
    return True


@compiled
def _watch_field(x: Numbers, tilted: Float, heading: float, field: int) -> int:
    """Returns NEW_FIELD if the field has kept strength and dip while the body turned, else 0.

    A field that turns with the body would not. VQF asks for 20 deg/s, which a slow turner never
    reaches; here it is the angle that counts.
    """
    mx, my, mz = x[A.field], x[A.field + 1], x[A.field + 2]
    w, i, j, k = tilted[0], tilted[1], tilted[2], tilted[3]
    east = (w * w + i * i - j * j - k * k) * mx + 2.0 * (i * j - w * k) * my
    east += 2.0 * (i * k + w * j) * mz
    north = 2.0 * (i * j + w * k) * mx + (w * w - i * i + j * j - k * k) * my
    north += 2.0 * (j * k - w * i) * mz
    up = 2.0 * (i * k - w * j) * mx + 2.0 * (w * i + j * k) * my
    up += (w * w - i * i - j * j + k * k) * mz
    strength = math.sqrt(mx * mx + my * my + mz * mz)
    dip = -math.asin(min(max(up / strength, -1.0), 1.0))
    same = abs(strength - x[A.strength]) < _SAME_STRENGTH * x[A.strength]
    if same and abs(dip - x[A.dip]) < _SAME_DIP:
        x[A.strength] += 0.1 * (strength - x[A.strength])
        x[A.dip] += 0.1 * (dip - x[A.dip])
        rate = 0.0
        for axis in range(3):
            rate += (x[A.sums + axis] / x[A.readings] - x[A.bias + axis]) ** 2
        if rate > _TURNING**2:
            x[A.turned] += math.sqrt(rate) * x[A.quarter]
            x[A.steady] += x[A.quarter]
    else:
        x[A.strength], x[A.dip] = strength, dip
        x[A.steady] = x[A.turned] = 0.0
    if field == FIELD_KNOWN:
        off = math.atan2(east, north) - heading
        off -= 2.0 * math.pi * round(off / (2.0 * math.pi))
        share = 1.0 - math.exp(-x[A.quarter] / _DISAGREEING)
        x[A.disagreement] += share * (off - x[A.disagreement])
        return 0
    turned, seconds = _FIRST_FIELD if field == FIELD_UNKNOWN else _NEXT_FIELD
    return NEW_FIELD if x[A.turned] >= turned and x[A.steady] >= seconds else 0


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
    attitude[0], attitude[1], attitude[2], attitude[3] = _times_conjugate(
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
