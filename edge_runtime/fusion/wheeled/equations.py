"""Implements the wheeled error-state Kalman filter's equations, derived in DERIVATION.md.

Solà, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508, 2017: the
nominal state of section 5.2 with the angular error in the world frame (section 7). Equation
numbers are his. Covariances are corrected by one scalar after another, which needs no inverse;
each correction leaves them exactly symmetric.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.wheeled.state import D
from edge_runtime.signals import Float

# The verdicts of `gated`.
MISSING, REFUSED, TAKEN = -1, 0, 1


@compiled
def propagate(x: Record, cov: Float, gyro: Float, accel: Float, dt: float, c: Record) -> None:
    """Propagates state and covariance over dt (equations 260 and 268-269, errors 299-302)."""
    wx = gyro[0] - x["gyro_bias"][0]
    wy = gyro[1] - x["gyro_bias"][1]
    wz = gyro[2] - x["gyro_bias"][2]
    q = np.empty(4)
    turned(x, wx * dt * 0.5, wy * dt * 0.5, wz * dt * 0.5, q)
    r = quaternion_to_matrix(q)  # half way
    fx = accel[0] - x["accel_bias"][0]
    fy = accel[1] - x["accel_bias"][1]
    fz = accel[2] - x["accel_bias"][2]
    force = np.empty(3)
    smooth = min(dt / 0.1, 1.0)
    for i in range(3):
        force[i] = r[i, 0] * fx + r[i, 1] * fy + r[i, 2] * fz
        a = force[i] - (c["gravity"] if i == 2 else 0.0)
        x["position"][i] += (x["velocity"][i] + 0.5 * a * dt) * dt
        x["velocity"][i] += a * dt
        x["push"][i] += (a - x["push"][i]) * smooth
    turned(x, wx * dt, wy * dt, wz * dt, x["attitude"])
    keep = math.exp(-dt / c["wander_time"])
    for i in range(3):
        x["wander"][i] *= keep
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
        for k in range(D.size):
            cov[D.position + i, k] += dt * cov[D.velocity + i, k]
    for i in range(3):
        for j in range(3):
            t, b = turn[i, j], r[i, j]
            for k in range(D.size):
                cov[D.velocity + i, k] += t * cov[D.angle + j, k] - b * cov[D.accel_bias + j, k]
    for i in range(3):
        for j in range(3):
            b = r[i, j]
            for k in range(D.size):
                cov[D.angle + i, k] -= b * cov[D.gyro_bias + j, k]
    for i in range(3):
        for k in range(D.size):
            cov[D.wander + i, k] *= keep
    # The same from the right.
    for k in range(D.size):
        for i in range(3):
            cov[k, D.position + i] += dt * cov[k, D.velocity + i]
        for i in range(3):
            total = cov[k, D.velocity + i]
            for j in range(3):
                total += turn[i, j] * cov[k, D.angle + j] - r[i, j] * cov[k, D.accel_bias + j]
            cov[k, D.velocity + i] = total
        for i in range(3):
            total = cov[k, D.angle + i]
            for j in range(3):
                total -= r[i, j] * cov[k, D.gyro_bias + j]
            cov[k, D.angle + i] = total
            cov[k, D.wander + i] *= keep
    grown = c["wander_std"] * c["wander_std"] * (1.0 - keep * keep)
    for i in range(3):
        cov[D.angle + i, D.angle + i] += c["gyro_noise"] * c["gyro_noise"] * dt
        cov[D.velocity + i, D.velocity + i] += c["accel_noise"] * c["accel_noise"] * dt
        cov[D.gyro_bias + i, D.gyro_bias + i] += c["gyro_walk"] * c["gyro_walk"] * dt
        cov[D.accel_bias + i, D.accel_bias + i] += c["accel_walk"] * c["accel_walk"] * dt
        cov[D.wander + i, D.wander + i] += grown
    cov[D.wheel_scale, D.wheel_scale] += c["wheel_scale_walk"] * c["wheel_scale_walk"] * dt
    cov[D.steering_offset, D.steering_offset] += c["steering_walk"] * c["steering_walk"] * dt
    for i in range(D.size):  # rounding differs from the left and from the right
        for k in range(i):
            cov[i, k] = cov[k, i]


@compiled
def turned(x: Record, ax: float, ay: float, az: float, out: Float) -> None:
    """Returns the quaternion of `x` times Exp of a rotation vector in the body frame, (4,)."""
    s = ax * ax + ay * ay + az * az
    if s < 1e-6:
        w, v = 1.0 - s / 8.0, 0.5 - s / 48.0
    else:
        angle = math.sqrt(s)
        w, v = math.cos(0.5 * angle), math.sin(0.5 * angle) / angle
    a = x["attitude"]
    product(a[0], a[1], a[2], a[3], w, v * ax, v * ay, v * az, out)


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
    """Writes the normalized Hamilton product p q, (4,), to `out`."""
    out[0] = pw * qw - px * qx - py * qy - pz * qz
    out[1] = pw * qx + px * qw + py * qz - pz * qy
    out[2] = pw * qy - px * qz + py * qw + pz * qx
    out[3] = pw * qz + px * qy - py * qx + pz * qw
    norm = 1.0 / math.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2 + out[3] ** 2)
    for i in range(4):
        out[i] *= norm


@compiled
def innovation(cov: Float, h: Float, dx: Float, residual: float, k: Float) -> tuple[float, float]:
    """Returns what is new in a residual and its variance without the sensor's; k becomes cov h."""
    for i in range(D.size):
        k[i] = 0.0
    for j in range(D.size):
        hj = h[j]
        if hj != 0.0:
            for i in range(D.size):
                k[i] += hj * cov[j, i]
    new, variance = residual, 0.0
    for i in range(D.size):
        new -= h[i] * dx[i]
        variance += h[i] * k[i]
    return new, variance


@compiled
def correct(cov: Float, dx: Float, k: Float, new: float, variance: float) -> None:
    """Corrects by one scalar (equations 274-276), with `k` = cov h and its whole variance."""
    for i in range(D.size):
        dx[i] += k[i] * new / variance
    for i in range(D.size):
        ki = k[i] / variance
        for j in range(D.size):
            cov[i, j] -= ki * k[j]
        if cov[i, i] < 1e-16:
            cov[i, i] = 1e-16


@compiled
def credible(
    cov: Float,
    dx: Float,
    k: Float,
    h: Float,
    residual: float,
    std: float,
    time: float,
    since: float,
    gate: float,
) -> bool:
    """Corrects by a scalar whose error `std` persists for `time` s, if it is within the gate."""
    new, variance = innovation(cov, h, dx, residual, k)
    if not new * new <= gate * (variance + std * std):
        return False
    correct(cov, dx, k, new, variance + persistent(std, time, since))
    return True


@compiled
def gated(
    x: Record, cov: Float, rows: Float, residual: Float, std: Float, variance: Float, gate: float
) -> int:
    """Corrects by several numbers that one sensor gave at once, or by none of them.

    Args:
        x: the state; written.
        cov: its covariance; written.
        rows: (M, D.size) of the Jacobian.
        residual: (M,) measured - predicted; NaN where not measured.
        std: (M,) of each, by which the whole is judged.
        variance: (M,) by which each corrects, which is larger for an error that persists.
        gate: squared Mahalanobis distance beyond which none is believed.

    Returns:
        TAKEN, REFUSED, or MISSING if nothing was measured.
    """
    kept = cov.copy()
    dx, k = np.zeros(D.size), np.empty(D.size)
    distance, given = 0.0, 0
    for i in range(len(residual)):
        if math.isnan(residual[i]):
            continue
        given += 1
        new, own = innovation(cov, rows[i], dx, residual[i], k)
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
def inject(x: Record, dx: Float) -> None:
    """Adds the error to the state (equations 282-283; the angular one in the world frame: 316)."""
    ax, ay, az = dx[D.angle], dx[D.angle + 1], dx[D.angle + 2]
    angle = math.sqrt(ax * ax + ay * ay + az * az)
    w, v = math.cos(0.5 * angle), 0.5
    if angle > 1e-6:
        v = math.sin(0.5 * angle) / angle
    q = x["attitude"]
    product(w, v * ax, v * ay, v * az, q[0], q[1], q[2], q[3], q)
    for i in range(3):
        x["velocity"][i] += dx[D.velocity + i]
        x["position"][i] += dx[D.position + i]
        x["gyro_bias"][i] += dx[D.gyro_bias + i]
        x["accel_bias"][i] += dx[D.accel_bias + i]
        x["wander"][i] += dx[D.wander + i]
    x["wheel_scale"] += dx[D.wheel_scale]
    x["wheel_offset"] += dx[D.wheel_offset]
    x["mount_pitch"] += dx[D.mount_pitch]
    x["mount_yaw"] += dx[D.mount_yaw]
    x["steering_offset"] += dx[D.steering_offset]
    x["delay"] += dx[D.delay]


@compiled
def doubt(cov: Float, off: float) -> None:
    """Widens the covariance of velocity, by `off` m/s, tilt and accelerometer bias."""
    for i in range(3):
        cov[D.velocity + i, D.velocity + i] += off * off
        cov[D.accel_bias + i, D.accel_bias + i] += 0.1**2
        if i < 2:
            cov[D.angle + i, D.angle + i] += 0.1**2


@compiled
def persistent(std: float, time: float, since: float) -> float:
    """Returns the variance for an error that persists for `time` s, measured every `since` s.

    White noise of this variance has the spectral density of the persistent error, so that many
    measurements do not count for more than they hold.
    """
    if since > 0.0:
        return std * std * max(1.0, 2.0 * time / since)
    return std * std
