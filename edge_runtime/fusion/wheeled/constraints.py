"""What wheels, steering and lidar odometry tell of the car's motion.

`wheels` (W, 2) holds each wheel's place before and left of the rear axle's middle, m.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.timeline import PAYLOAD, STAMP
from edge_runtime.fusion.wheeled.equations import (
    TAKEN,
    correct,
    doubt,
    gated,
    inject,
    persistent,
    spread,
)
from edge_runtime.fusion.wheeled.state import (
    ANCHOR,
    CONSTRAINT_TIME,
    D_ANGLE,
    D_GYRO,
    D_OFFSET,
    D_PITCH,
    D_SCALE,
    D_STEERING,
    D_V,
    D_YAW,
    ERROR,
    GATE,
    GATE_3,
    GYRO,
    GYRO_BIAS,
    HEADING_KNOWN,
    HEADING_SPEED,
    MOTION_SEEN,
    MOTION_TIME,
    OFFSET,
    PATIENCE,
    PITCH,
    RATE_SHARE,
    RATE_STD,
    RATE_TIME,
    REAR_AXLE,
    RESTING,
    SCALE,
    SIDE_STD,
    SIDESLIP,
    STEERING,
    STILL_RATE_STD,
    STILL_SINCE,
    STILL_SPEED,
    STILL_STD,
    STILL_TIME,
    UNDERSTEER,
    UP_STD,
    VELOCITY_BELIEVED,
    VELOCITY_REFUSED,
    WHEEL_SPREAD,
    WHEEL_STD,
    WHEEL_TIME,
    WHEELBASE,
    WHEELS_BELIEVED,
    WHEELS_REFUSED,
    WHEELS_SEEN,
    YAW,
    Q,
    V,
)

FRESH = 1.0  # s; a sensor believed within is a witness against another
UNANIMOUS = 0.5  # s for which two sensors must refuse the IMU


@compiled
def roll(x: Float, cov: Float, event: Float, c: Float, wheels: Float) -> bool:
    """Wheel speeds, steering, no sideways and vertical speed at the rear axle, standstill."""
    stamp = event[STAMP]
    since = stamp - x[WHEELS_SEEN]
    x[WHEELS_SEEN] = stamp
    count = int(event[PAYLOAD])
    turning = False
    for i in range(count):
        if not abs(event[PAYLOAD + 2 + i]) < c[STILL_SPEED]:
            turning = True
    if turning:
        x[STILL_SINCE] = math.nan
    elif math.isnan(x[STILL_SINCE]):
        x[STILL_SINCE] = stamp
    r = quaternion_to_matrix(x[Q : Q + 4])
    axes = car_axes(x)
    wx = x[GYRO] - x[GYRO_BIAS]
    wy = x[GYRO + 1] - x[GYRO_BIAS + 1]
    wz = x[GYRO + 2] - x[GYRO_BIAS + 2]
    lx, ly, lz = c[REAR_AXLE], c[REAR_AXLE + 1], c[REAR_AXLE + 2]
    at_axle = np.empty(3)  # velocity of the rear axle in the body frame
    at_axle[0] = wy * lz - wz * ly
    at_axle[1] = wz * lx - wx * lz
    at_axle[2] = wx * ly - wy * lx
    for i in range(3):
        for j in range(3):
            at_axle[i] += r[j, i] * x[V + j]
    along = np.zeros(3)  # in the car's frame
    for i in range(3):
        for j in range(3):
            along[i] += axes[i, j] * at_axle[j]
    yaw_rate = axes[2, 0] * wx + axes[2, 1] * wy + axes[2, 2] * wz
    rows = np.zeros((3, ERROR))  # d along / d error
    for i in range(3):
        a = np.empty(3)  # the axis in the world frame
        for j in range(3):
            a[j] = r[j, 0] * axes[i, 0] + r[j, 1] * axes[i, 1] + r[j, 2] * axes[i, 2]
            rows[i, D_V + j] = a[j]
        rows[i, D_ANGLE] = a[1] * x[V + 2] - a[2] * x[V + 1]
        rows[i, D_ANGLE + 1] = a[2] * x[V] - a[0] * x[V + 2]
        rows[i, D_ANGLE + 2] = a[0] * x[V + 1] - a[1] * x[V]
        rows[i, D_GYRO] = axes[i, 1] * lz - axes[i, 2] * ly
        rows[i, D_GYRO + 1] = axes[i, 2] * lx - axes[i, 0] * lz
        rows[i, D_GYRO + 2] = axes[i, 0] * ly - axes[i, 1] * lx
    cp, sp = math.cos(x[PITCH]), math.sin(x[PITCH])
    rows[0, D_PITCH] = -along[2]
    rows[2, D_PITCH] = along[0]
    rows[0, D_YAW] = cp * along[1]
    rows[1, D_YAW] = -cp * along[0] - sp * along[2]
    rows[2, D_YAW] = sp * along[1]
    dx, k = np.zeros(ERROR), np.empty(ERROR)
    standing = stamp - x[STILL_SINCE] >= c[STILL_TIME]
    x[RESTING] = 0.0
    if standing:
        believed = still(x, cov, dx, k, rows, along, since, c)
    else:
        believed = rolling(x, cov, dx, k, rows, along, yaw_rate, since, event, c, wheels)
    if believed:
        x[WHEELS_BELIEVED] = stamp
        x[WHEELS_REFUSED] = math.nan
        if not standing:
            constrain(cov, dx, k, rows, along, yaw_rate, since, c)
        if abs(along[0]) > c[HEADING_SPEED] and c[WHEELBASE] > 0.0:
            steer(x, cov, dx, k, axes, along[0], yaw_rate, event[PAYLOAD + 1], since, c)
        inject(x, dx)
        return True
    if math.isnan(x[WHEELS_REFUSED]):
        x[WHEELS_REFUSED] = stamp
    # Nobody is in the right for ever against the IMU. GNSS tells who is: a witness against the
    # wheels if it is believed, against the IMU if it is refused as well.
    witness = stamp - x[VELOCITY_BELIEVED] < FRESH
    alone = stamp - x[WHEELS_REFUSED] > c[PATIENCE] and not witness
    both = min(stamp - x[WHEELS_REFUSED], stamp - x[VELOCITY_REFUSED]) > UNANIMOUS
    reversed = witness and stamp - x[WHEELS_REFUSED] > 2.0 * c[PATIENCE]
    if reversed:
        x[HEADING_KNOWN] = 0.0  # it may go backwards where GNSS was taken to say forwards
        x[ANCHOR] = math.nan
    if alone or reversed or (both and not math.isnan(x[VELOCITY_REFUSED])):
        wide = 0.0
        for i in range(count):
            apart = abs(event[PAYLOAD + 2 + i] - along[0])
            if apart > wide:  # False for NaN
                wide = apart
        doubt(cov, wide)
        x[WHEELS_REFUSED] = math.nan
        x[VELOCITY_REFUSED] = math.nan
    return False


@compiled
def rolling(
    x: Float,
    cov: Float,
    dx: Float,
    k: Float,
    rows: Float,
    along: Float,
    yaw_rate: float,
    since: float,
    event: Float,
    c: Float,
    wheels: Float,
) -> bool:
    """The mean of the wheels that neither spin nor lock; False if all seem to."""
    count = int(event[PAYLOAD])
    h = rows[0] * x[SCALE]
    h[D_SCALE] = along[0]
    h[D_OFFSET] = 1.0
    _, variance = spread(cov, h, dx, 0.0, k)
    gate = c[GATE] * (variance + c[WHEEL_STD] * c[WHEEL_STD])
    residual = np.empty(count)
    good = 0
    for i in range(count):
        # A rim rolls the way its hub goes: sideways by the turn, forward by the rest.
        rim = (event[PAYLOAD + 2 + i] - x[OFFSET]) / x[SCALE]
        sideways = yaw_rate * wheels[i, 0]
        forward = math.sqrt(max(rim * rim - sideways * sideways, 0.0))
        forward = math.copysign(forward, rim) + yaw_rate * wheels[i, 1]
        e = (forward - along[0]) * x[SCALE]
        if e * e <= gate:  # False for NaN
            residual[good] = e
            good += 1
    if good == 0:
        return False
    ordered = np.sort(residual[:good])
    median = 0.5 * (ordered[(good - 1) // 2] + ordered[good // 2])
    total, agreeing = 0.0, 0
    for i in range(good):
        if abs(ordered[i] - median) <= c[WHEEL_SPREAD] * (1.0 + 0.1 * abs(along[0])):
            total += ordered[i]
            agreeing += 1
    if agreeing == 0:
        return False
    variance += persistent(c[WHEEL_STD], c[WHEEL_TIME], since)
    correct(cov, dx, k, total / agreeing, variance)
    return True


@compiled
def still(
    x: Float,
    cov: Float,
    dx: Float,
    k: Float,
    rows: Float,
    along: Float,
    since: float,
    c: Float,
) -> bool:
    """Zero velocity and zero rate; False where the IMU says that wheels at rest slide."""
    new, variance = spread(cov, rows[0], dx, -along[0], k)
    if not new * new <= c[GATE] * (variance + c[STILL_SPEED] * c[STILL_SPEED]):
        return False
    own = persistent(c[STILL_STD], c[CONSTRAINT_TIME], since)
    for i in range(3):
        new, variance = spread(cov, rows[i], dx, -along[i], k)
        correct(cov, dx, k, new, variance + own)
    h = np.zeros(ERROR)
    x[RESTING] = 1.0
    for i in range(3):
        h[:] = 0.0
        h[D_GYRO + i] = 1.0
        new, variance = spread(cov, h, dx, x[GYRO + i] - x[GYRO_BIAS + i], k)
        if new * new <= c[GATE] * (variance + c[STILL_RATE_STD] * c[STILL_RATE_STD]):
            correct(
                cov,
                dx,
                k,
                new,
                variance + persistent(c[STILL_RATE_STD], c[CONSTRAINT_TIME], since),
            )
        else:
            x[RESTING] = 0.0  # it is carried
    return True


@compiled
def constrain(
    cov: Float,
    dx: Float,
    k: Float,
    rows: Float,
    along: Float,
    yaw_rate: float,
    since: float,
    c: Float,
) -> None:
    """Non-holonomic: the rear axle goes neither sideways, but for its tyres' slip, nor up."""
    slip = c[SIDESLIP] * abs(yaw_rate * along[0]) * abs(along[0])
    for i in range(1, 3):
        std = math.sqrt(c[SIDE_STD] ** 2 + slip * slip) if i == 1 else c[UP_STD]
        new, variance = spread(cov, rows[i], dx, -along[i], k)
        if new * new <= c[GATE] * (variance + std * std):
            correct(cov, dx, k, new, variance + persistent(std, c[CONSTRAINT_TIME], since))


@compiled
def steer(
    x: Float,
    cov: Float,
    dx: Float,
    k: Float,
    axes: Float,
    speed: float,
    yaw_rate: float,
    steering: float,
    since: float,
    c: Float,
) -> None:
    """Yaw rate of the bicycle model, with understeer, against that of the gyroscope."""
    angle = steering + x[STEERING]
    if not abs(angle) < 1.2:  # also NaN
        return
    per_angle = speed / (c[WHEELBASE] * (1.0 + c[UNDERSTEER] * speed * speed))
    expected = per_angle * math.tan(angle)
    h = np.zeros(ERROR)
    for i in range(3):
        h[D_GYRO + i] = -axes[2, i]
    h[D_STEERING] = -per_angle / math.cos(angle) ** 2
    std = c[RATE_STD] + c[RATE_SHARE] * max(abs(expected), abs(yaw_rate))
    new, variance = spread(cov, h, dx, expected - yaw_rate, k)
    if new * new <= c[GATE] * (variance + std * std):
        correct(cov, dx, k, new, variance + persistent(std, c[RATE_TIME], since))


@compiled
def car_axes(x: Float) -> Float:
    """(3, 3) rows: the car's forward, left and up axes in the body frame."""
    cp, sp = math.cos(x[PITCH]), math.sin(x[PITCH])
    cy, sy = math.cos(x[YAW]), math.sin(x[YAW])
    axes = np.empty((3, 3))
    axes[0, 0], axes[0, 1], axes[0, 2] = cy * cp, sy * cp, -sp
    axes[1, 0], axes[1, 1], axes[1, 2] = -sy, cy, 0.0
    axes[2, 0], axes[2, 1], axes[2, 2] = cy * sp, sy * sp, cp
    return axes


@compiled
def motion(x: Float, cov: Float, event: Float, c: Float) -> bool:
    """Combinations of velocity and turn rate in the body, independent of each other.

    The event holds the three values, their standard deviations, and the factors of each.
    """
    stamp = event[STAMP]
    since = stamp - x[MOTION_SEEN]
    x[MOTION_SEEN] = stamp
    r = quaternion_to_matrix(x[Q : Q + 4])
    ahead, left = np.zeros(ERROR), np.zeros(ERROR)  # d of the velocities in the body
    along = np.zeros(2)
    for i in range(2):
        a = r[:, i]
        row = ahead if i == 0 else left
        for j in range(3):
            along[i] += a[j] * x[V + j]
            row[D_V + j] = a[j]
        row[D_ANGLE] = a[1] * x[V + 2] - a[2] * x[V + 1]
        row[D_ANGLE + 1] = a[2] * x[V] - a[0] * x[V + 2]
        row[D_ANGLE + 2] = a[0] * x[V + 1] - a[1] * x[V]
    turning = x[GYRO + 2] - x[GYRO_BIAS + 2]
    rows, residual = np.zeros((3, ERROR)), np.empty(3)
    std, slow = np.empty(3), np.empty(3)
    for i in range(3):
        u = event[PAYLOAD + 6 + 3 * i : PAYLOAD + 9 + 3 * i]
        predicted = u[0] * along[0] + u[1] * along[1] + u[2] * turning
        for j in range(ERROR):
            rows[i, j] = u[0] * ahead[j] + u[1] * left[j]
        rows[i, D_GYRO + 2] -= u[2]
        residual[i] = event[PAYLOAD + i] - predicted
        std[i] = event[PAYLOAD + 3 + i]
        slow[i] = persistent(std[i], c[MOTION_TIME], since)
    return gated(x, cov, rows, residual, std, slow, c[GATE] * GATE_3) == TAKEN
