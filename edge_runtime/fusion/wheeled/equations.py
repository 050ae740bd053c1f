"""The equations of an error-state Kalman filter on plain arrays, compiled where numba is.

Solà, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508, 2017: the
nominal state of section 5.2 with the angular error in the world frame (section 7). Equation
numbers are his. Covariances are corrected by one scalar after another, which needs no inverse;
each correction leaves them exactly symmetric.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.wheeled.state import (
    ACCEL_BIAS,
    ACCEL_NOISE,
    ACCEL_WALK,
    D_ACCEL,
    D_ANGLE,
    D_GYRO,
    D_P,
    D_SCALE,
    D_STEERING,
    D_V,
    D_WANDER,
    ERROR,
    GRAVITY,
    GYRO_BIAS,
    GYRO_NOISE,
    GYRO_WALK,
    PUSH,
    SCALE_WALK,
    STEERING_WALK,
    WANDER,
    WANDER_STD,
    WANDER_TIME,
    P,
    Q,
    V,
)

# What `gated` says of a measurement.
MISSING, REFUSED, TAKEN = -1, 0, 1


@compiled
def propagate(x: Float, cov: Float, gyro: Float, accel: Float, dt: float, c: Float) -> None:
    """Nominal state and covariance over dt (equations 260 and 268-269, errors 299-302)."""
    wx = gyro[0] - x[GYRO_BIAS]
    wy = gyro[1] - x[GYRO_BIAS + 1]
    wz = gyro[2] - x[GYRO_BIAS + 2]
    q = np.empty(4)
    turned(x, wx * dt * 0.5, wy * dt * 0.5, wz * dt * 0.5, q)
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
    turned(x, wx * dt, wy * dt, wz * dt, q)
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
    for i in range(ERROR):  # rounding differs from the left and from the right
        for k in range(i):
            cov[i, k] = cov[k, i]


@compiled
def turned(x: Float, ax: float, ay: float, az: float, out: Float) -> None:
    """The quaternion of `x` times Exp of a rotation vector in the body frame, (4,)."""
    s = ax * ax + ay * ay + az * az
    if s < 1e-6:
        w, v = 1.0 - s / 8.0, 0.5 - s / 48.0
    else:
        angle = math.sqrt(s)
        w, v = math.cos(0.5 * angle), math.sin(0.5 * angle) / angle
    product(x[Q], x[Q + 1], x[Q + 2], x[Q + 3], w, v * ax, v * ay, v * az, out)


@compiled
def product(
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
def spread(cov: Float, h: Float, dx: Float, residual: float, k: Float) -> tuple[float, float]:
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
def correct(cov: Float, dx: Float, k: Float, new: float, variance: float) -> None:
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
def gated(
    x: Float, cov: Float, rows: Float, residual: Float, std: Float, variance: Float, gate: float
) -> int:
    """Correct by several numbers that one sensor gave at once, or by none of them.

    Args:
        x: the state; written.
        cov: its covariance; written.
        rows: (M, ERROR) of the Jacobian.
        residual: (M,) measured - predicted; NaN where not measured.
        std: (M,) of each, by which the whole is judged.
        variance: (M,) by which each corrects, which is larger for an error that persists.
        gate: squared Mahalanobis distance beyond which none is believed.

    Returns:
        TAKEN, REFUSED, or MISSING if nothing was measured.
    """
    kept = cov.copy()
    dx, k = np.zeros(ERROR), np.empty(ERROR)
    distance, given = 0.0, 0
    for i in range(len(residual)):
        if math.isnan(residual[i]):
            continue
        given += 1
        new, own = spread(cov, rows[i], dx, residual[i], k)
        distance += new * new / (own + std[i] * std[i])
        correct(cov, dx, k, new, own + variance[i])
    if given == 0:
        return MISSING
    if distance <= gate:
        inject(x, dx)
        return TAKEN
    cov[:] = kept
    return REFUSED


@compiled
def inject(x: Float, dx: Float) -> None:
    """Error into nominal state (equations 282-283, angular error in the world frame: 316)."""
    ax, ay, az = dx[D_ANGLE], dx[D_ANGLE + 1], dx[D_ANGLE + 2]
    angle = math.sqrt(ax * ax + ay * ay + az * az)
    w, v = math.cos(0.5 * angle), 0.5
    if angle > 1e-6:
        v = math.sin(0.5 * angle) / angle
    q = np.empty(4)
    product(w, v * ax, v * ay, v * az, x[Q], x[Q + 1], x[Q + 2], x[Q + 3], q)
    for i in range(4):
        x[Q + i] = q[i]
    for i in range(ERROR - D_V):
        x[V + i] += dx[D_V + i]


@compiled
def doubt(cov: Float, off: float) -> None:
    """Admit that velocity, tilt and accelerometer bias may be wrong, m/s of velocity as seen."""
    for i in range(3):
        cov[D_V + i, D_V + i] += off * off
        cov[D_ACCEL + i, D_ACCEL + i] += 0.1**2
        if i < 2:
            cov[D_ANGLE + i, D_ANGLE + i] += 0.1**2


@compiled
def persistent(std: float, time: float, since: float) -> float:
    """Variance of an error that persists for `time` s in measurements that come every `since` s.

    White noise of this variance has the spectral density of the persistent error, so that many
    measurements do not seem to know more than they do.
    """
    if since > 0.0:
        return std * std * max(1.0, 2.0 * time / since)
    return std * std
