"""Learns the gyroscope's bias: at rest from its mean, and in motion from VQF's estimate."""

import math

from edge_runtime.fusion.attitude.state import FIELD_TIMEOUT, QUARTER, A, K
from edge_runtime.fusion.compiled import Numbers, compiled
from edge_runtime.fusion.imu_units import GRAVITY

NEW_BIAS = 1  # what `learn_at_rest` returns
REST_SIGMA = 0.001  # rad/s, of a bias that was learnt at rest
# Rest: the spread within a quarter, and how far the means of quarters may differ.
_REST, CALM = 6, 3  # quarters after which it rests, and after which it may
_GYRO_SPREAD, _ACCEL_SPREAD = 0.02, 0.15  # rad/s and m/s^2
_GYRO_DRIFT, _ACCEL_DRIFT = 0.01, 0.08  # rad/s and m/s^2
_OFFSET = 0.033  # rad/s; VQF learns by itself what is less
_TURN = 0.1  # rad/s about the vertical that is a turn, unless the magnetic field says otherwise
_SAME_BIAS = 0.05  # rad/s by which a bias that was learnt at rest may change about the vertical
_VQF_CLIP = math.radians(2.0)  # rad/s, of VQF's own estimate


@compiled
def rests(x: Numbers) -> bool:
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
def distrust_stillness(x: Numbers, c: Numbers) -> None:
    """Widens the tilt where a rate would tip the body over, but gravity stays where it is."""
    count = x[A.quarters]
    along, rate, force = 0.0, 0.0, 0.0
    for i in range(3):
        off, up = x[A.rest_sums + i] / count - x[A.bias + i], x[A.rest_sums + 3 + i]
        along += off * up
        rate += off * off
        force += up * up
    tipping = max(rate - along * along / force, 0.0)
    moved = 0.5 * math.sqrt(tipping) * count * QUARTER * GRAVITY  # of a quarter from their mean
    if moved < 2.0 * _ACCEL_DRIFT:
        return  # it may turn so slowly, unseen
    x[A.wander_variance] = max(x[A.wander_variance], 0.5 * tipping * c[K.tau_acc] ** 2)


@compiled
def learn_at_rest(x: Numbers, c: Numbers) -> int:
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
    if x[A.stamp] - x[A.field_stamp] < FIELD_TIMEOUT:
        turned, now, then = 0.0, 0.0, 0.0
        for i in range(3):
            now += x[A.field + i] ** 2
            then += x[A.rest_field + i] ** 2
        if then > 0.0:
            for i in range(3):
                change = x[A.field + i] / math.sqrt(now) - x[A.rest_field + i] / math.sqrt(then)
                turned += change * change
            # A steep field turns less than the body does.
            return math.sqrt(turned) > 0.15 * abs(upward) * QUARTER * x[A.quarters]
    if abs(upward) > _TURN or x[A.quarters] < 2 * _REST:
        return True  # or not for long enough
    changed = abs(upward - before) > _SAME_BIAS and abs(upward) > abs(before)
    return x[A.learnt] == 1.0 and changed


@compiled
def follow_bias(x: Numbers, c: Numbers) -> bool:
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
