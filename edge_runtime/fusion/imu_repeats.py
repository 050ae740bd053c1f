"""Tells a sensor of an IMU that repeats itself because it rests from one that is frozen or stuck.

A sensor whose noise is above its resolution never repeats itself; a coarser one does at rest.
"""

import math

from edge_runtime.fusion.compiled import Numbers, compiled
from edge_runtime.fusion.imu_check_state import C, S

_FEWEST_REPEATS = 5  # of a frozen sensor
_FINE = 1.6  # steps of its resolution by which a sensor changes at rest that never repeats itself
_MUCH_FINER = 3.0  # steps, of one of which no axis does
_MOST_STEPS = 10.0
_FINE_GYRO, _FINE_ACCEL = 0.002, 0.008  # rad/s, m/s^2; the noise of any sensor is above it
_RESTED = 0.25  # s of rest before anything is learnt by it
MOVED = 0.5  # m/s^2 by which it may change while a gyroscope repeats itself
_STUCK = 0.5  # s for which an axis may repeat itself while others of its sensor go on
_FEWEST_STUCK = 25  # such readings


@compiled
def is_frozen(
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
def keeps_its_place(x: Numbers) -> bool:
    """Returns whether the accelerometer reads as when the gyroscope last changed."""
    if math.isnan(x[S.before]):
        for i in range(3):
            x[S.before + i] = x[S.read + 3 + i]
    return (
        abs(x[S.now + 3] - x[S.before]) <= MOVED
        and abs(x[S.now + 4] - x[S.before + 1]) <= MOVED
        and abs(x[S.now + 5] - x[S.before + 2]) <= MOVED
    )


@compiled
def turns_level(x: Numbers, c: Numbers, squares: float) -> bool:
    """Returns whether the body turns about the vertical alone, which leaves gravity as it is."""
    turning = 0.0
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        turning += (x[S.now + j] * x[S.now + 3 + k] - x[S.now + k] * x[S.now + 3 + j]) ** 2
    return turning <= c[C.largest_bias] ** 2 * squares


@compiled
def learn_resolution(x: Numbers, since: float, rests: bool, turned: float, pushed: float) -> None:
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
def count_stuck(x: Numbers, first: int, axis: int, since: float) -> None:
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
