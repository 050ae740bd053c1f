"""Looks four times a second at what VQF has made of the readings, compiled.

It finds whether the body rests, how far the inclination wanders, and whether the magnetic field is
known. DERIVATION.md has the formulas, by the names here.
"""

import math

from edge_runtime.fusion.attitude.bias import (
    CALM,
    distrust_stillness,
    follow_bias,
    learn_at_rest,
    rests,
)
from edge_runtime.fusion.attitude.state import FIELD_TIMEOUT, A, K
from edge_runtime.fusion.compiled import Numbers, compiled
from edge_runtime.fusion.lie import times_conjugate
from edge_runtime.signals import Float

# What `end_quarter` returns besides NEW_BIAS; the sum of these.
SHIFTED_BIAS, NEW_FIELD = 2, 4
# The magnetic field as VQF sees it.
FIELD_UNKNOWN, FIELD_KNOWN, FIELD_DISTURBED = 0, 1, 2

_WANDER_MEMORY, _WANDER_RISE = 12.0, 1.0  # s over which its variance falls and rises
# The field: changes within which it is the same, and what shows that it is not the body's own.
_SAME_STRENGTH, _SAME_DIP = 0.1, math.radians(10.0)
_TURNING = 0.05  # rad/s
_FIRST_FIELD = (0.5, 8.0)  # rad turned and s
_NEXT_FIELD = (3.5, 20.0)
_DISAGREEING = 3.0  # s over which the heading's innovations are averaged


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
    resting = rests(x)
    if x[A.quarters] >= CALM:
        distrust_stillness(x, c)
    if resting:
        news += learn_at_rest(x, c)
    if news == 0 and follow_bias(x, c):
        news += SHIFTED_BIAS
    if x[A.stamp] - x[A.field_stamp] < FIELD_TIMEOUT:
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
    a0, a1, a2, a3 = times_conjugate(
        tilted[0], tilted[1], tilted[2], tilted[3],
        strapdown[0], strapdown[1], strapdown[2], strapdown[3],
    )  # fmt: skip
    d0, d1, d2, _ = times_conjugate(
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
