"""The equations of the wheeled filter, on plain arrays; compiled where numba is installed.

Solà, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508, 2017: the
nominal state of section 5.2 with the angular error in the world frame (section 7). Equation
numbers are his. Covariances are corrected by one scalar after another, which needs no inverse;
each correction leaves them exactly symmetric.

A `state` (STATE,) holds the nominal state and whatever else decides how the filter goes on, so
that it can be run again from any moment. Its covariance is (ERROR, ERROR). `wheels` (W, 2) holds
each wheel's place before and left of the rear axle's middle, m. `c` are the numbers of the
configuration, in the order of the names below.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.timeline import BELIEVED, KIND, PAYLOAD, STAMP, place, slot

# Kinds of events.
IMU, WHEELS, GNSS, MOTION = 0, 1, 2, 3
BROKEN = -3  # what `take_in` says when numbers ran away
EVENT = PAYLOAD + 12
MOST_WHEELS = 10

# The state.
Q = 0  # (4,) body to world, wxyz
V = 4  # (3,) m/s, world
P = 7  # (3,) m, world
GYRO_BIAS = 10  # (3,) rad/s
ACCEL_BIAS = 13  # (3,) m/s^2
SCALE = 16  # wheel speed read / true
OFFSET = 17  # m/s, wheel speed read at rest
PITCH = 18  # rad, of the car's forward axis in the body frame, positive nose down
YAW = 19  # rad, likewise, positive to the left
STEERING = 20  # rad, to add to the steering read
WANDER = 21  # (3,) m, slow error of the GNSS position
DELAY = 24  # s by which a fix is older than its stamp
GYRO = 25  # (3,) the last reading
ACCEL = 28  # (3,) the last reading
PUSH = 31  # (3,) m/s^2, acceleration in the world, smoothed
HEADING_KNOWN = 34  # 1.0 or 0.0
STILL_SINCE = 35  # s, NaN if the wheels turn
WHEELS_SEEN, WHEELS_BELIEVED, WHEELS_REFUSED = 36, 37, 38  # s: last, last, first of a row; or NaN
FIX_SEEN, FIX_BELIEVED, FIX_REFUSED = 39, 40, 41
VELOCITY_SEEN, VELOCITY_BELIEVED, VELOCITY_REFUSED = 42, 43, 44
ANCHOR = 45  # (2,) m, a fix while the heading was not known
DEPARTURE = 47  # (2,) m, the own position then
MOTION_SEEN = 49
STATE = 50

# The error state.
D_ANGLE, D_V, D_P, D_GYRO, D_ACCEL = 0, 3, 6, 9, 12
D_SCALE, D_OFFSET, D_PITCH, D_YAW, D_STEERING, D_WANDER, D_DELAY = 15, 16, 17, 18, 19, 20, 23
ERROR = 24

# The configuration; see `WheeledConfig`.
(
    GRAVITY,
    GYRO_NOISE,
    ACCEL_NOISE,
    GYRO_WALK,
    ACCEL_WALK,
    SCALE_WALK,
    STEERING_WALK,
    WANDER_STD,
    WANDER_TIME,
    WHEEL_STD,
    WHEEL_TIME,
    SIDE_STD,
    SIDESLIP,
    UP_STD,
    CONSTRAINT_TIME,
    RATE_STD,
    RATE_SHARE,
    RATE_TIME,
    WHEELBASE,
    UNDERSTEER,
    WHEEL_SPREAD,
    STILL_SPEED,
    STILL_TIME,
    STILL_STD,
    STILL_RATE_STD,
    FIX_STD,
    VELOCITY_TIME,
    GATE,
    PATIENCE,
    HEADING_SPEED,
    HEADING_DISTANCE,
    MOTION_TIME,
    REAR_AXLE,  # (3,)
) = range(33)
ANTENNA = REAR_AXLE + 3  # (3,)
CONFIG = ANTENNA + 3

_GATE_3 = 1.6  # chi-square at one in a thousand: of 3 degrees of freedom over that of 1, about
_FRESH = 1.0  # s; a sensor believed within is a witness against another


@compiled
def _propagate(x: Float, cov: Float, gyro: Float, accel: Float, dt: float, c: Float) -> None:
    """Nominal state and covariance over dt (equations 260 and 268-269, errors 299-302)."""
    wx = gyro[0] - x[GYRO_BIAS]
    wy = gyro[1] - x[GYRO_BIAS + 1]
    wz = gyro[2] - x[GYRO_BIAS + 2]
    q = np.empty(4)
    _turned(x, wx * dt * 0.5, wy * dt * 0.5, wz * dt * 0.5, q)
    r = quaternion_to_matrix(q)  # half way
    fx = accel[0] - x[ACCEL_BIAS]
    fy = accel[1] - x[ACCEL_BIAS + 1]
    fz = accel[2] - x[ACCEL_BIAS + 2]
    force = np.empty(3)
    smooth = min(dt / 0.1, 1.0)
    for i in range(3):
        force[i] = r[i, 0] * fx + r[i, 1] * fy + r[i, 2] * fz
        a = force[i] - (c[GRAVITY] if i == 2 else 0.0)
        x[P + i] += (x[V + i] + 0.5 * a * dt) * dt
        x[V + i] += a * dt
        x[PUSH + i] += (a - x[PUSH + i]) * smooth
    _turned(x, wx * dt, wy * dt, wz * dt, q)
    for i in range(4):
        x[Q + i] = q[i]
    keep = math.exp(-dt / c[WANDER_TIME])
    for i in range(3):
        x[WANDER + i] *= keep
    turn = np.empty((3, 3))  # d velocity / d angle, times dt: -[R a]x dt
    turn[0, 0] = turn[1, 1] = turn[2, 2] = 0.0
    turn[0, 1], turn[0, 2] = force[2] * dt, -force[1] * dt
    turn[1, 0], turn[1, 2] = -force[2] * dt, force[0] * dt
    turn[2, 0], turn[2, 1] = force[1] * dt, -force[0] * dt
    for i in range(3):
        for j in range(3):
            r[i, j] *= dt
    # F cov: rows from the last in the chain to the first, so that each reads what was before.
    for i in range(3):
        for k in range(ERROR):
            cov[D_P + i, k] += dt * cov[D_V + i, k]
    for i in range(3):
        for j in range(3):
            t, b = turn[i, j], r[i, j]
            for k in range(ERROR):
                cov[D_V + i, k] += t * cov[D_ANGLE + j, k] - b * cov[D_ACCEL + j, k]
    for i in range(3):
        for j in range(3):
            b = r[i, j]
            for k in range(ERROR):
                cov[D_ANGLE + i, k] -= b * cov[D_GYRO + j, k]
    for i in range(3):
        for k in range(ERROR):
            cov[D_WANDER + i, k] *= keep
    # The same from the right.
    for k in range(ERROR):
        for i in range(3):
            cov[k, D_P + i] += dt * cov[k, D_V + i]
        for i in range(3):
            total = cov[k, D_V + i]
            for j in range(3):
                total += turn[i, j] * cov[k, D_ANGLE + j] - r[i, j] * cov[k, D_ACCEL + j]
            cov[k, D_V + i] = total
        for i in range(3):
            total = cov[k, D_ANGLE + i]
            for j in range(3):
                total -= r[i, j] * cov[k, D_GYRO + j]
            cov[k, D_ANGLE + i] = total
            cov[k, D_WANDER + i] *= keep
    grown = c[WANDER_STD] * c[WANDER_STD] * (1.0 - keep * keep)
    for i in range(3):
        cov[D_ANGLE + i, D_ANGLE + i] += c[GYRO_NOISE] * c[GYRO_NOISE] * dt
        cov[D_V + i, D_V + i] += c[ACCEL_NOISE] * c[ACCEL_NOISE] * dt
        cov[D_GYRO + i, D_GYRO + i] += c[GYRO_WALK] * c[GYRO_WALK] * dt
        cov[D_ACCEL + i, D_ACCEL + i] += c[ACCEL_WALK] * c[ACCEL_WALK] * dt
        cov[D_WANDER + i, D_WANDER + i] += grown
    cov[D_SCALE, D_SCALE] += c[SCALE_WALK] * c[SCALE_WALK] * dt
    cov[D_STEERING, D_STEERING] += c[STEERING_WALK] * c[STEERING_WALK] * dt


@compiled
def _turned(x: Float, ax: float, ay: float, az: float, out: Float) -> None:
    """The quaternion of `x` times Exp of a rotation vector in the body frame, (4,)."""
    s = ax * ax + ay * ay + az * az
    if s < 1e-6:
        w, v = 1.0 - s / 8.0, 0.5 - s / 48.0
    else:
        angle = math.sqrt(s)
        w, v = math.cos(0.5 * angle), math.sin(0.5 * angle) / angle
    _product(x[Q], x[Q + 1], x[Q + 2], x[Q + 3], w, v * ax, v * ay, v * az, out)


@compiled
def _product(
    pw: float,
    px: float,
    py: float,
    pz: float,
    qw: float,
    qx: float,
    qy: float,
    qz: float,
    out: Float,
) -> None:
    """Hamilton product p q, normalized, (4,)."""
    out[0] = pw * qw - px * qx - py * qy - pz * qz
    out[1] = pw * qx + px * qw + py * qz - pz * qy
    out[2] = pw * qy - px * qz + py * qw + pz * qx
    out[3] = pw * qz + px * qy - py * qx + pz * qw
    norm = 1.0 / math.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2 + out[3] ** 2)
    for i in range(4):
        out[i] *= norm


@compiled
def _spread(cov: Float, h: Float, dx: Float, residual: float, k: Float) -> tuple[float, float]:
    """What of a residual is new, and its variance without the sensor's own; `k` is cov h."""
    for i in range(ERROR):
        k[i] = 0.0
    for j in range(ERROR):
        hj = h[j]
        if hj != 0.0:
            for i in range(ERROR):
                k[i] += hj * cov[j, i]
    new, variance = residual, 0.0
    for i in range(ERROR):
        new -= h[i] * dx[i]
        variance += h[i] * k[i]
    return new, variance


@compiled
def _correct(cov: Float, dx: Float, k: Float, new: float, variance: float) -> None:
    """Kalman correction by one scalar (equations 274-276); `k` is cov h, variance all of it."""
    for i in range(ERROR):
        dx[i] += k[i] * new / variance
    for i in range(ERROR):
        ki = k[i] / variance
        for j in range(ERROR):
            cov[i, j] -= ki * k[j]
        if cov[i, i] < 1e-16:
            cov[i, i] = 1e-16


@compiled
def _inject(x: Float, dx: Float) -> None:
    """Error into nominal state (equations 282-283, angular error in the world frame: 316)."""
    ax, ay, az = dx[D_ANGLE], dx[D_ANGLE + 1], dx[D_ANGLE + 2]
    angle = math.sqrt(ax * ax + ay * ay + az * az)
    w, v = math.cos(0.5 * angle), 0.5
    if angle > 1e-6:
        v = math.sin(0.5 * angle) / angle
    q = np.empty(4)
    _product(w, v * ax, v * ay, v * az, x[Q], x[Q + 1], x[Q + 2], x[Q + 3], q)
    for i in range(4):
        x[Q + i] = q[i]
    for i in range(ERROR - D_V):
        x[V + i] += dx[D_V + i]


@compiled
def _car_axes(x: Float) -> Float:
    """(3, 3) rows: the car's forward, left and up axes in the body frame."""
    cp, sp = math.cos(x[PITCH]), math.sin(x[PITCH])
    cy, sy = math.cos(x[YAW]), math.sin(x[YAW])
    axes = np.empty((3, 3))
    axes[0, 0], axes[0, 1], axes[0, 2] = cy * cp, sy * cp, -sp
    axes[1, 0], axes[1, 1], axes[1, 2] = -sy, cy, 0.0
    axes[2, 0], axes[2, 1], axes[2, 2] = cy * sp, sy * sp, cp
    return axes


@compiled
def _persistent(std: float, time: float, since: float) -> float:
    """Variance of an error that persists for `time` s in measurements that come every `since` s.

    White noise of this variance has the spectral density of the persistent error, so that many
    measurements do not seem to know more than they do.
    """
    if since > 0.0:
        return std * std * max(1.0, 2.0 * time / since)
    return std * std


@compiled
def _wheels(x: Float, cov: Float, event: Float, c: Float, wheels: Float) -> bool:
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
    axes = _car_axes(x)
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
    if stamp - x[STILL_SINCE] >= c[STILL_TIME]:
        believed = _still(x, cov, dx, k, rows, along, since, c)
    else:
        believed = _rolling(x, cov, dx, k, rows, along, yaw_rate, since, event, c, wheels)
    if believed:
        x[WHEELS_BELIEVED] = stamp
        x[WHEELS_REFUSED] = math.nan
        _constrain(cov, dx, k, rows, along, yaw_rate, since, c)
        if abs(along[0]) > c[HEADING_SPEED] and c[WHEELBASE] > 0.0:
            _steer(x, cov, dx, k, axes, along[0], yaw_rate, event[PAYLOAD + 1], since, c)
        _inject(x, dx)
        return True
    if math.isnan(x[WHEELS_REFUSED]):
        x[WHEELS_REFUSED] = stamp
    # Against the IMU alone nobody is in the right for ever; GNSS would tell who is.
    witness = stamp - x[VELOCITY_BELIEVED] < _FRESH
    if stamp - x[WHEELS_REFUSED] > c[PATIENCE] and not witness:
        wide = 0.0
        for i in range(count):
            apart = abs(event[PAYLOAD + 2 + i] - along[0])
            if apart > wide:  # False for NaN
                wide = apart
        for i in range(3):
            cov[D_V + i, D_V + i] += wide * wide
        x[WHEELS_REFUSED] = math.nan
    return False


@compiled
def _rolling(
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
    _, variance = _spread(cov, h, dx, 0.0, k)
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
    variance += _persistent(c[WHEEL_STD], c[WHEEL_TIME], since)
    _correct(cov, dx, k, total / agreeing, variance)
    return True


@compiled
def _still(
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
    new, variance = _spread(cov, rows[0], dx, -along[0], k)
    if not new * new <= c[GATE] * (variance + c[STILL_SPEED] * c[STILL_SPEED]):
        return False
    _correct(cov, dx, k, new, variance + _persistent(c[STILL_STD], c[CONSTRAINT_TIME], since))
    h = np.zeros(ERROR)
    for i in range(3):
        h[:] = 0.0
        h[D_GYRO + i] = 1.0
        new, variance = _spread(cov, h, dx, x[GYRO + i] - x[GYRO_BIAS + i], k)
        if new * new <= c[GATE] * (variance + c[STILL_RATE_STD] * c[STILL_RATE_STD]):
            _correct(
                cov,
                dx,
                k,
                new,
                variance + _persistent(c[STILL_RATE_STD], c[CONSTRAINT_TIME], since),
            )
    return True


@compiled
def _constrain(
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
        new, variance = _spread(cov, rows[i], dx, -along[i], k)
        if new * new <= c[GATE] * (variance + std * std):
            _correct(cov, dx, k, new, variance + _persistent(std, c[CONSTRAINT_TIME], since))


@compiled
def _steer(
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
    new, variance = _spread(cov, h, dx, expected - yaw_rate, k)
    if new * new <= c[GATE] * (variance + std * std):
        _correct(cov, dx, k, new, variance + _persistent(std, c[RATE_TIME], since))


@compiled
def _gnss(x: Float, cov: Float, event: Float, c: Float) -> bool:
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
        return _find_heading(x, cov, event, arm, swing, c)
    velocity = _gnss_velocity(x, cov, event, swing, c)
    return _gnss_position(x, cov, event, arm, swing, c) or velocity


@compiled
def _lever_row(h: Float, i: int, arm: Float) -> None:
    """Row i of -[arm]x into the angle's columns."""
    if i == 0:
        h[D_ANGLE + 1], h[D_ANGLE + 2] = arm[2], -arm[1]
    elif i == 1:
        h[D_ANGLE], h[D_ANGLE + 2] = -arm[2], arm[0]
    else:
        h[D_ANGLE], h[D_ANGLE + 1] = arm[1], -arm[0]


@compiled
def _gnss_velocity(x: Float, cov: Float, event: Float, swing: Float, c: Float) -> bool:
    stamp = event[STAMP]
    given = 0
    distance = 0.0  # Mahalanobis, squared
    kept = cov.copy()
    dx, h, k = np.zeros(ERROR), np.zeros(ERROR), np.empty(ERROR)
    std = event[PAYLOAD + 9]
    persistent = _persistent(std, c[VELOCITY_TIME], stamp - x[VELOCITY_SEEN])
    for i in range(3):
        measured = event[PAYLOAD + 6 + i]
        if math.isnan(measured):
            continue
        given += 1
        h[:] = 0.0
        h[D_V + i] = 1.0
        h[D_DELAY] = -x[PUSH + i]
        _lever_row(h, i, swing)
        predicted = x[V + i] + swing[i] - x[DELAY] * x[PUSH + i]
        new, variance = _spread(cov, h, dx, measured - predicted, k)
        distance += new * new / (variance + std * std)
        _correct(cov, dx, k, new, variance + persistent)
    if given == 0:
        return False
    x[VELOCITY_SEEN] = stamp
    if distance <= c[GATE] * _GATE_3:
        x[VELOCITY_BELIEVED] = stamp
        x[VELOCITY_REFUSED] = math.nan
        _inject(x, dx)
        return True
    cov[:] = kept
    if math.isnan(x[VELOCITY_REFUSED]):
        x[VELOCITY_REFUSED] = stamp
    elif stamp - x[VELOCITY_REFUSED] > c[PATIENCE]:
        x[HEADING_KNOWN] = 0.0  # it goes another way than it seems to: start over
        x[VELOCITY_REFUSED] = math.nan
        x[ANCHOR] = math.nan
    return False


@compiled
def _gnss_position(x: Float, cov: Float, event: Float, arm: Float, swing: Float, c: Float) -> bool:
    stamp = event[STAMP]
    given = 0
    distance = 0.0
    kept = cov.copy()
    dx, h, k = np.zeros(ERROR), np.zeros(ERROR), np.empty(ERROR)
    off = np.zeros(3)
    for i in range(3):
        measured = event[PAYLOAD + i]
        if math.isnan(measured):
            continue
        given += 1
        h[:] = 0.0
        h[D_P + i] = 1.0
        h[D_V + i] = -x[DELAY]
        h[D_WANDER + i] = 1.0
        h[D_DELAY] = -x[V + i]
        _lever_row(h, i, arm)
        predicted = x[P + i] + arm[i] + x[WANDER + i] - x[DELAY] * (x[V + i] + swing[i])
        off[i] = measured - predicted
        std = max(event[PAYLOAD + 3 + i], c[FIX_STD])
        new, variance = _spread(cov, h, dx, off[i], k)
        distance += new * new / (variance + std * std)
        _correct(cov, dx, k, new, variance + std * std)
    if given == 0:
        return False
    x[FIX_SEEN] = stamp
    if distance <= c[GATE] * _GATE_3:
        x[FIX_BELIEVED] = stamp
        x[FIX_REFUSED] = math.nan
        _inject(x, dx)
        return True
    cov[:] = kept
    if math.isnan(x[FIX_REFUSED]):
        x[FIX_REFUSED] = stamp
    elif stamp - x[FIX_REFUSED] > c[PATIENCE]:
        for i in range(3):
            cov[D_P + i, D_P + i] += off[i] * off[i]  # so that the next one is believed
        x[FIX_REFUSED] = math.nan
    return False


@compiled
def _find_heading(x: Float, cov: Float, event: Float, arm: Float, swing: Float, c: Float) -> bool:
    """Turn everything about the vertical so that the car goes where GNSS says that it goes.

    By the velocity, or where the receiver gives none by the way between two fixes. Until then
    the position follows the fixes, and the velocity is right in the body's frame alone.
    """
    east, north = event[PAYLOAD], event[PAYLOAD + 1]
    fixed = not (math.isnan(east) or math.isnan(north))
    speed = math.hypot(event[PAYLOAD + 6], event[PAYLOAD + 7])
    forward = quaternion_to_matrix(x[Q : Q + 4])[:, 0]
    own_x, own_y = x[V] + swing[0], x[V + 1] + swing[1]
    found, course_std = False, 0.0
    course = 0.0
    if speed > max(c[HEADING_SPEED], 5.0 * event[PAYLOAD + 9]):  # False for NaN
        if math.hypot(own_x, own_y) < 0.5 * speed:
            own_x, own_y = forward[0], forward[1]  # not known by wheels: it goes forward
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
            course = math.atan2(gone_y, gone_x) - math.atan2(own_y, own_x)
            course_std = 1.5 * max(event[PAYLOAD + 3], c[FIX_STD]) / gone
            found = True
    if found:
        _turn_world(x, cov, course, course_std)
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
        arm = _about_vertical(arm, course)
    if fixed:
        _set_position(x, cov, event, arm, c)
    return found or fixed


@compiled
def _about_vertical(v: Float, angle: float) -> Float:
    turned = v.copy()
    turned[0] = math.cos(angle) * v[0] - math.sin(angle) * v[1]
    turned[1] = math.sin(angle) * v[0] + math.cos(angle) * v[1]
    return turned


@compiled
def _turn_world(x: Float, cov: Float, angle: float, std: float) -> None:
    """Turn attitude and velocity about the vertical; the heading is then known by that.

    What is known is the course of the car; the body's heading is that less the yaw of the car's
    forward axis in the body, and is wrong by as much as that is.
    """
    q = np.empty(4)
    half = 0.5 * angle
    _product(math.cos(half), 0.0, 0.0, math.sin(half), x[Q], x[Q + 1], x[Q + 2], x[Q + 3], q)
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
    yaw = D_ANGLE + 2
    for k in range(ERROR):
        if k != yaw:
            cov[yaw, k] = -cov[D_YAW, k]
            cov[k, yaw] = -cov[D_YAW, k]
    cov[yaw, yaw] = cov[D_YAW, D_YAW] + std * std
    # Tilt and yaw of the forward axis are not known together as surely as before.
    for k in range(2):
        cov[yaw, k] = 0.0
        cov[k, yaw] = 0.0


@compiled
def _set_position(x: Float, cov: Float, event: Float, arm: Float, c: Float) -> None:
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


@compiled
def _motion(x: Float, cov: Float, event: Float, c: Float) -> bool:
    """Mean velocity and turn rate in the body's frame, as lidar odometry has them."""
    stamp = event[STAMP]
    since = stamp - x[MOTION_SEEN]
    x[MOTION_SEEN] = stamp
    r = quaternion_to_matrix(x[Q : Q + 4])
    kept = cov.copy()
    dx, h, k = np.zeros(ERROR), np.zeros(ERROR), np.empty(ERROR)
    distance = 0.0
    for i in range(3):
        h[:] = 0.0
        if i < 2:
            predicted = 0.0
            a = r[:, i]
            for j in range(3):
                predicted += a[j] * x[V + j]
                h[D_V + j] = a[j]
            h[D_ANGLE] = a[1] * x[V + 2] - a[2] * x[V + 1]
            h[D_ANGLE + 1] = a[2] * x[V] - a[0] * x[V + 2]
            h[D_ANGLE + 2] = a[0] * x[V + 1] - a[1] * x[V]
        else:
            predicted = x[GYRO + 2] - x[GYRO_BIAS + 2]
            h[D_GYRO + 2] = -1.0
        std = event[PAYLOAD + 3 + i]
        new, variance = _spread(cov, h, dx, event[PAYLOAD + i] - predicted, k)
        distance += new * new / (variance + std * std)
        _correct(cov, dx, k, new, variance + _persistent(std, c[MOTION_TIME], since))
    if not distance <= c[GATE] * _GATE_3:
        cov[:] = kept
        return False
    _inject(x, dx)
    return True


@compiled
def _step(x: Float, cov: Float, since: float, event: Float, c: Float, wheels: Float) -> bool:
    """From the event before, `since` s ago, to this one; in place."""
    kind = int(event[KIND])
    if kind == IMU:
        mean_gyro, mean_accel = np.empty(3), np.empty(3)
        for i in range(3):
            mean_gyro[i] = 0.5 * (x[GYRO + i] + event[PAYLOAD + i])
            mean_accel[i] = 0.5 * (x[ACCEL + i] + event[PAYLOAD + 3 + i])
        _propagate(x, cov, mean_gyro, mean_accel, since, c)
        for i in range(3):
            x[GYRO + i] = event[PAYLOAD + i]
            x[ACCEL + i] = event[PAYLOAD + 3 + i]
        return True
    if since > 0.0:
        _propagate(x, cov, x[GYRO : GYRO + 3].copy(), x[ACCEL : ACCEL + 3].copy(), since, c)
    if kind == WHEELS:
        return _wheels(x, cov, event, c, wheels)
    if kind == GNSS:
        return _gnss(x, cov, event, c)
    return _motion(x, cov, event, c)


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
        newest state is not finite.
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
        believed = _step(states[now], covariances[now], since, events[now], c, wheels)
        events[now, BELIEVED] = 1.0 if believed else 0.0
        before = now
    total = 0.0
    for i in range(GYRO):
        total += states[before, i]
    for i in range(ERROR):
        total += covariances[before, i, i]
    if not math.isfinite(total):
        return BROKEN
    return int(events[here, BELIEVED])
