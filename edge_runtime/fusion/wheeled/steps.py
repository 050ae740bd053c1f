"""From event to event: the wheeled filter's states along a timeline."""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.timeline import BELIEVED, KIND, PAYLOAD, STAMP, place, slot
from edge_runtime.fusion.wheeled.constraints import FRESH, motion, roll
from edge_runtime.fusion.wheeled.equations import propagate
from edge_runtime.fusion.wheeled.gnss import gnss
from edge_runtime.fusion.wheeled.state import (
    ACCEL,
    BROKEN,
    D_V,
    ERROR,
    GNSS,
    GYRO,
    GYRO_BIAS,
    IMU,
    RESTING,
    WHEELS,
    WHEELS_BELIEVED,
    Q,
)

JOLT = 10.0  # m/s^2 from one reading to the next: a hole in the road, or a faulty sensor


@compiled
def step(x: Float, cov: Float, since: float, event: Float, c: Float, wheels: Float) -> bool:
    """From the event before, `since` s ago, to this one; in place."""
    kind = int(event[KIND])
    if kind == IMU:
        mean_gyro, mean_accel = np.empty(3), np.empty(3)
        for i in range(3):
            mean_gyro[i] = 0.5 * (x[GYRO + i] + event[PAYLOAD + i])
            mean_accel[i] = 0.5 * (x[ACCEL + i] + event[PAYLOAD + 3 + i])
        if x[RESTING] == 1.0 and event[STAMP] - x[WHEELS_BELIEVED] < FRESH:
            hold_heading(x, mean_gyro)
        propagate(x, cov, mean_gyro, mean_accel, since, c)
        jolt = 0.0
        for i in range(3):
            jolt = max(jolt, abs(event[PAYLOAD + 3 + i] - x[ACCEL + i]))
        if jolt > JOLT:  # what it was between the two is not known
            for i in range(3):
                cov[D_V + i, D_V + i] += (jolt * since) ** 2
        for i in range(3):
            x[GYRO + i] = event[PAYLOAD + i]
            x[ACCEL + i] = event[PAYLOAD + 3 + i]
        return True
    if since > 0.0:
        propagate(x, cov, x[GYRO : GYRO + 3].copy(), x[ACCEL : ACCEL + 3].copy(), since, c)
    if kind == WHEELS:
        return roll(x, cov, event, c, wheels)
    if kind == GNSS:
        return gnss(x, cov, event, c)
    return motion(x, cov, event, c)


@compiled
def hold_heading(x: Float, gyro: Float) -> None:
    """Take out of a reading what would turn a body that stands, for that is but noise."""
    r = quaternion_to_matrix(x[Q : Q + 4])
    turning = 0.0
    for i in range(3):
        turning += r[2, i] * (gyro[i] - x[GYRO_BIAS + i])
    for i in range(3):
        gyro[i] -= r[2, i] * turning


@compiled
def take_in(
    events: Float,
    states: Float,
    covariances: Float,
    span: Float,
    event: Float,
    c: Float,
    wheels: Float,
) -> int:
    """Put an event into the timeline and bring every state from there on up to date.

    Returns:
        1 if it was believed, 0 if not, what `place` says if it has no place, or BROKEN if the
        newest state is not finite or has a negative variance.
    """
    index = place(events, span, event)
    if index < 0:
        return index
    capacity = events.shape[0]
    here = slot(span, capacity, index)
    before = slot(span, capacity, index - 1)
    for later in range(index, int(span[1])):
        now = slot(span, capacity, later)
        states[now] = states[before]
        covariances[now] = covariances[before]
        since = events[now, STAMP] - events[before, STAMP]
        believed = step(states[now], covariances[now], since, events[now], c, wheels)
        events[now, BELIEVED] = 1.0 if believed else 0.0
        before = now
    total = 0.0
    for i in range(GYRO):
        total += states[before, i]
    for i in range(ERROR):
        variance = covariances[before, i, i]
        if not variance >= 0.0:
            return BROKEN
        total += variance
    if not math.isfinite(total):
        return BROKEN
    return int(events[here, BELIEVED])
