"""What GNSS tells: where the car is, how fast, and at first where it heads."""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.timeline import PAYLOAD, STAMP
from edge_runtime.fusion.wheeled.equations import MISSING, TAKEN, gated, persistent, product
from edge_runtime.fusion.wheeled.state import (
    ANCHOR,
    ANTENNA,
    BEGUN,
    D_ANGLE,
    D_DELAY,
    D_P,
    D_V,
    D_WANDER,
    D_YAW,
    DELAY,
    DEPARTURE,
    ERROR,
    FIX_BELIEVED,
    FIX_REFUSED,
    FIX_SEEN,
    FIX_STD,
    GATE,
    GATE_3,
    GYRO,
    GYRO_BIAS,
    HEADING_DISTANCE,
    HEADING_KNOWN,
    HEADING_SPEED,
    PATIENCE,
    PUSH,
    VELOCITY_BELIEVED,
    VELOCITY_SEEN,
    VELOCITY_TIME,
    WANDER,
    WANDER_STD,
    WHEELS_BELIEVED,
    P,
    Q,
    V,
)

PATIENT_START = 0.5  # s to wait for wheels before GNSS tells the heading alone


@compiled
def gnss(x: Float, cov: Float, event: Float, c: Float) -> bool:
    """A fix: position with its slow error and its delay, and velocity."""
    r = quaternion_to_matrix(x[Q : Q + 4])
    arm, swing = np.zeros(3), np.zeros(3)  # of the antenna in the world frame: m, m/s
    lx, ly, lz = c[ANTENNA], c[ANTENNA + 1], c[ANTENNA + 2]
    wx = x[GYRO] - x[GYRO_BIAS]
    wy = x[GYRO + 1] - x[GYRO_BIAS + 1]
    wz = x[GYRO + 2] - x[GYRO_BIAS + 2]
    for i in range(3):
        arm[i] = r[i, 0] * lx + r[i, 1] * ly + r[i, 2] * lz
        swing[i] = (
            r[i, 0] * (wy * lz - wz * ly)
            + r[i, 1] * (wz * lx - wx * lz)
            + r[i, 2] * (wx * ly - wy * lx)
        )
    if x[HEADING_KNOWN] == 0.0:
        return find_heading(x, cov, event, arm, swing, c)
    velocity = gnss_velocity(x, cov, event, swing, c)
    return gnss_position(x, cov, event, arm, swing, c) or velocity


@compiled
def gnss_velocity(x: Float, cov: Float, event: Float, swing: Float, c: Float) -> bool:
    """The antenna's velocity; a component may be missing."""
    stamp, std = event[STAMP], event[PAYLOAD + 9]
    rows, residual = np.zeros((3, ERROR)), np.empty(3)
    for i in range(3):
        rows[i, D_V + i] = 1.0
        rows[i, D_DELAY] = -x[PUSH + i]
        lever_row(rows[i], i, swing)
        predicted = x[V + i] + swing[i] - x[DELAY] * x[PUSH + i]
        residual[i] = event[PAYLOAD + 6 + i] - predicted
    slow = persistent(std, c[VELOCITY_TIME], stamp - x[VELOCITY_SEEN])
    verdict = gated(x, cov, rows, residual, np.full(3, std), np.full(3, slow), c[GATE] * GATE_3)
    if remember(x, VELOCITY_SEEN, verdict, stamp, c[PATIENCE]):
        x[HEADING_KNOWN] = 0.0  # it goes another way than it seems to: start over
        x[ANCHOR] = math.nan
    return verdict == TAKEN


@compiled
def gnss_position(x: Float, cov: Float, event: Float, arm: Float, swing: Float, c: Float) -> bool:
    """The antenna's position; a component may be missing."""
    rows, residual, std = np.zeros((3, ERROR)), np.empty(3), np.empty(3)
    for i in range(3):
        rows[i, D_P + i] = 1.0
        rows[i, D_V + i] = -x[DELAY]
        rows[i, D_WANDER + i] = 1.0
        rows[i, D_DELAY] = -x[V + i]
        lever_row(rows[i], i, arm)
        predicted = x[P + i] + arm[i] + x[WANDER + i] - x[DELAY] * (x[V + i] + swing[i])
        residual[i] = event[PAYLOAD + i] - predicted
        std[i] = max(event[PAYLOAD + 3 + i], c[FIX_STD])
    verdict = gated(x, cov, rows, residual, std, std * std, c[GATE] * GATE_3)
    if remember(x, FIX_SEEN, verdict, event[STAMP], c[PATIENCE]):
        for i in range(3):  # so that the next one is believed
            if not math.isnan(residual[i]):
                cov[D_P + i, D_P + i] += residual[i] * residual[i]
    return verdict == TAKEN


@compiled
def remember(x: Float, seen: int, verdict: int, stamp: float, patience: float) -> bool:
    """Note in `x[seen : seen + 3]` when a sensor spoke, was believed, and is refused since.

    True once it was refused for too long: it is not the one that is wrong.
    """
    if verdict == MISSING:
        return False
    x[seen] = stamp
    if verdict == TAKEN:
        x[seen + 1] = stamp
        x[seen + 2] = math.nan
    elif math.isnan(x[seen + 2]):
        x[seen + 2] = stamp
    elif stamp - x[seen + 2] > patience:
        x[seen + 2] = math.nan
        return True
    return False


@compiled
def lever_row(h: Float, i: int, arm: Float) -> None:
    """Row i of -[arm]x into the angle's columns."""
    if i == 0:
        h[D_ANGLE + 1], h[D_ANGLE + 2] = arm[2], -arm[1]
    elif i == 1:
        h[D_ANGLE], h[D_ANGLE + 2] = -arm[2], arm[0]
    else:
        h[D_ANGLE], h[D_ANGLE + 1] = arm[1], -arm[0]


@compiled
def find_heading(x: Float, cov: Float, event: Float, arm: Float, swing: Float, c: Float) -> bool:
    """Turn everything about the vertical so that the car goes where GNSS says that it goes.

    By the velocity, or where the receiver gives none by the way between two fixes. Until then
    the position follows the fixes, and the velocity is right in the body's frame alone.
    """
    east, north = event[PAYLOAD], event[PAYLOAD + 1]
    fixed = not (math.isnan(east) or math.isnan(north))
    speed = math.hypot(event[PAYLOAD + 6], event[PAYLOAD + 7])
    forward = quaternion_to_matrix(x[Q : Q + 4])[:, 0]
    own_x, own_y = x[V] + swing[0], x[V + 1] + swing[1]
    found, course, course_std = False, 0.0, 0.0
    by_way = math.hypot(x[V], x[V + 1]) > 0.5  # m/s; who stands goes no way
    if speed > max(c[HEADING_SPEED], 5.0 * event[PAYLOAD + 9]):  # False for NaN
        if math.hypot(own_x, own_y) < 0.5 * speed:
            if event[STAMP] - x[BEGUN] < PATIENT_START and math.isnan(x[WHEELS_BELIEVED]):
                return False  # wheels that speak soon would tell if it reverses
            own_x, own_y = forward[0], forward[1]  # not known by wheels: it goes forward
            by_way = False
        course = math.atan2(event[PAYLOAD + 7], event[PAYLOAD + 6]) - math.atan2(own_y, own_x)
        course_std = event[PAYLOAD + 9] / speed
        found = True
    elif fixed and math.isnan(speed):
        if math.isnan(x[ANCHOR]):
            x[ANCHOR], x[ANCHOR + 1] = east, north
            x[DEPARTURE], x[DEPARTURE + 1] = x[P], x[P + 1]
        gone_x, gone_y = east - x[ANCHOR], north - x[ANCHOR + 1]
        gone = math.hypot(gone_x, gone_y)
        own_x, own_y = x[P] - x[DEPARTURE], x[P + 1] - x[DEPARTURE + 1]
        if gone > c[HEADING_DISTANCE]:
            if not 0.5 < math.hypot(own_x, own_y) / gone < 2.0:
                own_x, own_y = forward[0], forward[1]
                by_way = False
            course = math.atan2(gone_y, gone_x) - math.atan2(own_y, own_x)
            course_std = 1.5 * max(event[PAYLOAD + 3], c[FIX_STD]) / gone
            found = True
    if found:
        turn_world(x, cov, course, course_std, by_way)
        if not math.isnan(speed):
            for i in range(2):
                x[V + i] = event[PAYLOAD + 6 + i]
                for k in range(ERROR):
                    cov[D_V + i, k] = 0.0
                    cov[k, D_V + i] = 0.0
                cov[D_V + i, D_V + i] = event[PAYLOAD + 9] ** 2 + (0.2 * swing[i]) ** 2
            x[VELOCITY_SEEN] = event[STAMP]
            x[VELOCITY_BELIEVED] = event[STAMP]
        x[HEADING_KNOWN] = 1.0
        arm = about_vertical(arm, course)
    if fixed:
        set_position(x, cov, event, arm, c)
    return found or fixed


@compiled
def about_vertical(v: Float, angle: float) -> Float:
    """A vector turned about the vertical, (3,)."""
    turned = v.copy()
    turned[0] = math.cos(angle) * v[0] - math.sin(angle) * v[1]
    turned[1] = math.sin(angle) * v[0] + math.cos(angle) * v[1]
    return turned


@compiled
def turn_world(x: Float, cov: Float, angle: float, std: float, by_way: bool) -> None:
    """Turn attitude and velocity about the vertical, so that the heading is known.

    What is known is the course of the car, to `std`. So the body's heading is wrong by as much as
    the direction of the velocity is as the body sees it, `by_way`; otherwise it is taken to go
    forwards, and the heading is wrong by the yaw of the car's forward axis in the body.
    """
    q = np.empty(4)
    half = 0.5 * angle
    product(math.cos(half), 0.0, 0.0, math.sin(half), x[Q], x[Q + 1], x[Q + 2], x[Q + 3], q)
    for i in range(4):
        x[Q + i] = q[i]
    cosine, sine = math.cos(angle), math.sin(angle)
    for start in (V, PUSH):
        a, b = x[start], x[start + 1]
        x[start], x[start + 1] = cosine * a - sine * b, sine * a + cosine * b
    for start in (D_ANGLE, D_V):
        for k in range(ERROR):
            a, b = cov[start, k], cov[start + 1, k]
            cov[start, k], cov[start + 1, k] = cosine * a - sine * b, sine * a + cosine * b
        for k in range(ERROR):
            a, b = cov[k, start], cov[k, start + 1]
            cov[k, start], cov[k, start + 1] = cosine * a - sine * b, sine * a + cosine * b
    # The turn is wrong by g: one row for errors of now, and `std`. A linear map of the errors, as
    # anything else may leave a covariance that cannot be.
    yaw, vx, vy = D_ANGLE + 2, x[V], x[V + 1]
    g, u = np.zeros(ERROR), np.zeros(ERROR)
    if by_way:
        g[D_V] = vy / (vx * vx + vy * vy)
        g[D_V + 1] = -vx / (vx * vx + vy * vy)
    else:
        g[yaw], g[D_YAW] = -1.0, -1.0
    u[yaw], u[D_V], u[D_V + 1] = 1.0, -vy, vx
    row = np.zeros(ERROR)
    for i in range(ERROR):
        for k in range(ERROR):
            row[k] += g[i] * cov[i, k]
    for i in range(ERROR):
        for k in range(ERROR):
            cov[i, k] += u[i] * row[k]
    for i in range(ERROR):
        column = 0.0
        for k in range(ERROR):
            column += cov[i, k] * g[k]
        row[i] = column
    for i in range(ERROR):
        for k in range(ERROR):
            cov[i, k] += row[i] * u[k] + std * std * u[i] * u[k]


@compiled
def set_position(x: Float, cov: Float, event: Float, arm: Float, c: Float) -> None:
    """Take the position from a fix, its slow error included."""
    for i in range(3):
        measured = event[PAYLOAD + i]
        if math.isnan(measured):
            continue
        moved = measured - arm[i] - x[P + i]
        x[P + i] += moved
        if i < 2:
            x[DEPARTURE + i] += moved  # so that the way gone since stays what it was
        x[WANDER + i] = 0.0
        for k in range(ERROR):
            cov[D_P + i, k] = 0.0
            cov[k, D_P + i] = 0.0
            cov[D_WANDER + i, k] = 0.0
            cov[k, D_WANDER + i] = 0.0
        slow = c[WANDER_STD] * c[WANDER_STD]
        std = max(event[PAYLOAD + 3 + i], c[FIX_STD])
        lever = c[ANTENNA] ** 2 + c[ANTENNA + 1] ** 2 if x[HEADING_KNOWN] == 0.0 else 0.0
        late = math.sqrt(cov[D_DELAY, D_DELAY]) * x[V + i]
        cov[D_P + i, D_P + i] = slow + std * std + lever + late * late
        cov[D_WANDER + i, D_WANDER + i] = slow
        cov[D_P + i, D_WANDER + i] = -slow
        cov[D_WANDER + i, D_P + i] = -slow
    x[FIX_SEEN] = event[STAMP]
    x[FIX_BELIEVED] = event[STAMP]
    x[FIX_REFUSED] = math.nan
