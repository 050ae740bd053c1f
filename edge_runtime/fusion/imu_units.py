"""Judges by an IMU's readings whether they are in rad/s and m/s^2.

A gyroscope in deg/s shows at rest: its noise is white and far above that of any in rad/s, or its
offset would tip the body over, while the accelerometer reads the same all the time. A body that
turns about the vertical leaves the accelerometer alone too, so only what the gyroscope reads about
horizontal axes counts. Four quarters of a second in a row must agree, so that a disturbance in one
of them decides nothing. A wrong opinion is taken back by four quarters that contradict it, at rest
or in motion, where gravity turns through the body's axes as the gyroscope says.
"""

import math
from typing import NamedTuple

from edge_runtime.fusion.compiled import Numbers, compiled, laid_out

_QUARTER, _QUARTERS = 0.25, 4  # s; so many of stillness to judge units by
_FEWEST = 5  # readings in each
_STILL = 0.01  # standard deviation of a still accelerometer, as a share of what it reads
GRAVITY = 9.80665  # m/s^2, one g
_WHITE = (0.4, 2.0)  # variance by second differences over that about the mean, of white noise
_MOVED = 0.15  # of gravity, by which the gyroscope turns it in a quarter that says something
_AGREES = 0.4  # of that, by which the accelerometer may deviate
UNDECIDED, RIGHT = 0.0, 3.0  # opinions beside the two units


class UnitState(NamedTuple):
    """Sizes the fields of the state."""

    seconds: int = 1
    readings: int = 1
    sums: int = 6
    squares: int = 3  # of the accelerometer
    products: int = 6  # of the gyroscope: xx, yy, zz, xy, xz, yz
    differences: int = 6  # likewise of its second differences
    before: int = 6  # the gyroscope's last two readings
    turned: int = 3  # m/s^2, change of gravity in the body by the gyroscope
    first: int = 3  # m/s^2, the quarter's first reading of the accelerometer
    opinion: int = 1  # at rest
    agreeing: int = 1  # quarters of that opinion
    moving: int = 1  # quarters of motion that agree with rad/s
    wrong: int = 1  # 1 for the gyroscope, 2 for the accelerometer
    known: int = 1  # whether the units are right for certain
    size: int = 0


U = laid_out(UnitState)
UNITS_SIZE = U.size


@compiled
def start_units(x: Numbers, at: int) -> None:
    """Starts a new quarter."""
    for i in range(U.opinion):
        x[at + i] = 0.0


@compiled
def judge_units(
    x: Numbers, at: int, now: int, since: float, largest_bias: float, largest_noise: float
) -> int:
    """Takes in a reading.

    Args:
        x: the state stands in it from `at` on; written.
        at: see above.
        now: where the reading stands: gyroscope and accelerometer, 6 numbers.
        since: s since the reading before; NaN for the first, which is of no duration.
        largest_bias: rad/s that no gyroscope in rad/s reads at rest.
        largest_noise: rad/s, standard deviation that none has.

    Returns:
        0 if nothing is wrong as far as is known, 1 for the gyroscope, 2 for the accelerometer.
    """
    if x[at + U.known] == 1.0:
        return 0
    if math.isnan(since):
        return int(x[at + U.wrong])
    n = x[at + U.readings]
    if n == 0.0:
        for i in range(3):
            x[at + U.first + i] = x[now + 3 + i]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        x[at + U.sums + i] += x[now + i]
        x[at + U.sums + 3 + i] += x[now + 3 + i]
        x[at + U.squares + i] += x[now + 3 + i] * x[now + 3 + i]
        if n > 0.0:
            x[at + U.turned + i] += since * (
                x[now + 3 + j] * x[now + k] - x[now + 3 + k] * x[now + j]
            )
        x[at + U.products + i] += x[now + i] * x[now + i]
        x[at + U.products + 3 + i] += x[now + i] * x[now + j]
    if n >= 2.0:
        for i in range(3):
            j = (i + 1) % 3
            this = x[now + i] - 2.0 * x[at + U.before + i] + x[at + U.before + 3 + i]
            other = x[now + j] - 2.0 * x[at + U.before + j] + x[at + U.before + 3 + j]
            x[at + U.differences + i] += this * this
            x[at + U.differences + 3 + i] += this * other
    for i in range(3):
        x[at + U.before + 3 + i] = x[at + U.before + i]
        x[at + U.before + i] = x[now + i]
    x[at + U.seconds] += since
    x[at + U.readings] = n + 1.0
    if x[at + U.seconds] >= _QUARTER and x[at + U.readings] >= _FEWEST:
        _decide(x, at, now, largest_bias, largest_noise)
        start_units(x, at)
    return int(x[at + U.wrong])


@compiled
def _decide(x: Numbers, at: int, now: int, largest_bias: float, largest_noise: float) -> None:
    n = x[at + U.readings]
    fx, fy, fz = x[at + U.sums + 3] / n, x[at + U.sums + 4] / n, x[at + U.sums + 5] / n
    gravity = math.sqrt(fx * fx + fy * fy + fz * fz)
    largest = max(
        x[at + U.squares] / n - fx * fx,
        x[at + U.squares + 1] / n - fy * fy,
        x[at + U.squares + 2] / n - fz * fz,
    )
    if not largest < (_STILL * gravity) ** 2:  # it moves
        x[at + U.agreeing] = 0.0
        if _turns_gravity(x, at, now, gravity):
            x[at + U.moving] += 1.0
            if x[at + U.moving] >= _QUARTERS:
                x[at + U.wrong], x[at + U.known] = 0.0, 1.0
        return
    opinion = RIGHT
    if not (gravity > 0.9 * GRAVITY and gravity < 1.1 * GRAVITY):
        opinion = 2.0
    elif _reads_degrees(
        x, at, fx / gravity, fy / gravity, fz / gravity, largest_bias, largest_noise
    ):
        opinion = 1.0
    x[at + U.agreeing] = x[at + U.agreeing] + 1.0 if opinion == x[at + U.opinion] else 1.0
    x[at + U.opinion] = opinion
    if opinion != RIGHT:
        x[at + U.moving] = 0.0
    if x[at + U.agreeing] >= _QUARTERS:
        x[at + U.wrong] = 0.0 if opinion == RIGHT else opinion
        x[at + U.known] = 1.0 if opinion == RIGHT else 0.0


@compiled
def _reads_degrees(
    x: Numbers,
    at: int,
    ux: float,
    uy: float,
    uz: float,
    largest_bias: float,
    largest_noise: float,
) -> bool:
    """Returns whether a gyroscope at rest reads as if in deg/s, given the vertical in its axes."""
    n = x[at + U.readings]
    gx, gy, gz = x[at + U.sums] / n, x[at + U.sums + 1] / n, x[at + U.sums + 2] / n
    along = gx * ux + gy * uy + gz * uz
    tilting = gx * gx + gy * gy + gz * gz - along * along
    if tilting > largest_bias**2:
        return True
    p, d = at + U.products, at + U.differences
    total = (x[p] + x[p + 1] + x[p + 2]) / n - (gx * gx + gy * gy + gz * gz)
    about = (
        _form(x[p], x[p + 1], x[p + 2], x[p + 3], x[p + 4], x[p + 5], ux, uy, uz) / n
        - along * along
    )
    m = 6.0 * (n - 2.0)  # a second difference of white noise has six times its variance
    white = (x[d] + x[d + 1] + x[d + 2]) / m
    white -= _form(x[d], x[d + 1], x[d + 2], x[d + 3], x[d + 4], x[d + 5], ux, uy, uz) / m
    ratio = white / max(total - about, 1e-12)
    return white > 2.0 * largest_noise**2 and _WHITE[0] < ratio and ratio < _WHITE[1]


@compiled
def _form(
    xx: float,
    yy: float,
    zz: float,
    xy: float,
    yz: float,
    zx: float,
    ux: float,
    uy: float,
    uz: float,
) -> float:
    """Returns the value of a quadratic form in a direction."""
    mixed = xy * ux * uy + yz * uy * uz + zx * uz * ux
    return xx * ux * ux + yy * uy * uy + zz * uz * uz + 2.0 * mixed


@compiled
def _turns_gravity(x: Numbers, at: int, now: int, gravity: float) -> bool:
    """Returns whether gravity has turned through the body's axes as the gyroscope says."""
    if not (gravity > 0.9 * GRAVITY and gravity < 1.1 * GRAVITY):
        return False
    said, off = 0.0, 0.0
    for i in range(3):
        turned = x[at + U.turned + i]
        said += turned * turned
        off += (x[now + 3 + i] - x[at + U.first + i] - turned) ** 2
    return said > (_MOVED * gravity) ** 2 and off < _AGREES**2 * said
