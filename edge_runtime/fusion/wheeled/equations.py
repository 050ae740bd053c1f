"""Implements the wheeled error-state Kalman filter's equations, derived in DERIVATION.md.

Solà, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508, 2017: the
nominal state of section 5.2 with the angular error in the world frame (section 7). Equation
numbers are his. Covariances are corrected by one scalar after another, which needs no inverse;
each correction leaves them exactly symmetric.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix, times
from edge_runtime.fusion.wheeled.kernels import (
    combine,
    downdate,
    drive,
    known_row,
    known_times,
    mirror,
    shrink,
)
from edge_runtime.fusion.wheeled.state import D
from edge_runtime.signals import Float

# The verdicts of `gated`.
MISSING, REFUSED, TAKEN = -1, 0, 1
KNOWN = 1e-14  # variance of what is known already
MOST = 12  # errors that are as if known, and corrections after them


@compiled
def propagate(
    x: Record, cov: Float, gyro: Float, accel: Float, dt: float, c: Record, resting: bool
) -> None:
    """Propagates state and covariance over dt (equations 260 and 268-269, errors 299-302).

    While it is `resting` no error of the gyroscope turns the heading.
    """
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
    # F cov F^T, from the last in the chain to the first, so that each reads what was before.
    a, v, p, g, w = D.angle, D.velocity, D.position, D.gyro_bias, D.wander
    turns = 2 if resting else 3  # axes
    drive(cov, p, dt * np.eye(3), v)
    drive(cov, v, turn, a)
    drive(cov, v, -r, D.accel_bias)
    drive(cov, a, -r[:turns], g)
    for i in range(3):
        for k in range(D.size):
            cov[w + i, k] *= keep
        for k in range(D.size):
            cov[k, w + i] *= keep
    grown = c["wander_std"] * c["wander_std"] * (1.0 - keep * keep)
    for i in range(3):
        if i < turns:
            cov[a + i, a + i] += c["gyro_noise"] * c["gyro_noise"] * dt
        shaken = max(c["accel_noise"] * c["accel_noise"], x["shake"][i] * dt)
        cov[v + i, v + i] += shaken * dt
        cov[g + i, g + i] += c["gyro_walk"] * c["gyro_walk"] * dt
        cov[D.accel_bias + i, D.accel_bias + i] += c["accel_walk"] * c["accel_walk"] * dt
        cov[w + i, w + i] += grown
    cov[D.wheel_scale, D.wheel_scale] += c["wheel_scale_walk"] * c["wheel_scale_walk"] * dt
    cov[D.steering_offset, D.steering_offset] += c["steering_walk"] * c["steering_walk"] * dt
    mirror(cov)


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
    hamilton(a[0], a[1], a[2], a[3], w, v * ax, v * ay, v * az, out)


@compiled
def hamilton(
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
    out[0], out[1], out[2], out[3] = times(pw, px, py, pz, qw, qx, qy, qz)
    norm = 1.0 / math.sqrt(out[0] ** 2 + out[1] ** 2 + out[2] ** 2 + out[3] ** 2)
    for i in range(4):
        out[i] *= norm


@compiled
def innovation(cov: Float, h: Float, dx: Float, residual: float, k: Float) -> tuple[float, float]:
    """Returns what is new in a residual and its variance without the sensor's; k becomes cov h."""
    combine(h, cov, k)
    new, variance = residual, 0.0
    for j in range(D.size):
        if h[j] != 0.0:
            new -= h[j] * dx[j]
            variance += h[j] * k[j]
    return new, variance


@compiled
def everything() -> Float:
    """Returns what `correct` takes as `known` of a measurement that may correct everything."""
    return np.zeros((0, 0))


@compiled
def correct(
    cov: Float, known: Float, dx: Float, h: Float, k: Float, new: float, own: float, noise: float
) -> None:
    """Corrects by one scalar (equations 274-276) of which `innovation` found `k`, `new` and `own`.

    Args:
        cov: the covariance; written.
        known: `everything()`, or what `as_if_known` returned, for a gain that leaves out what the
            measurement could only seem to show; written.
        dx: the error so far; written.
        h: (D.size,) of the Jacobian.
        k: cov h; written.
        new: what is new in the measurement.
        own: variance of that without the sensor's.
        noise: variance of the sensor.
    """
    variance = own + noise
    gain = np.empty(D.size)
    if known.shape[0] == 0:
        for i in range(D.size):
            gain[i] = k[i] / variance
            k[i] *= 0.5
    else:
        share = noise
        known_times(known, h, gain)
        for j in range(D.size):
            share += h[j] * gain[j]
        shrink(known, gain, share)
        for i in range(D.size):
            gain[i] /= share
            k[i] -= 0.5 * variance * gain[i]
    downdate(cov, gain, k)
    for i in range(D.size):
        dx[i] += new * gain[i]
        if cov[i, i] < 1e-16:
            cov[i, i] = 1e-16


@compiled
def as_known(cov: Float) -> Float:
    """Returns a covariance P from which `shrink` subtracts, so that only what is asked is computed.

    It is (D.size + MOST + 1, D.size + MOST): P, right of it and below it the v of what is left,
    P - sum of v v^T; and the number of these in the last row.
    """
    known = np.empty((D.size + MOST + 1, D.size + MOST))
    known[: D.size, : D.size] = cov
    known[-1, 0] = 0.0
    return known


@compiled
def as_if_known(cov: Float, up: Float) -> Float:
    """Returns the covariance of a car whose heading and calibration were known, as `as_known`.

    Its gains are those of a filter that does not try to learn them from measurements that do not
    show them, which is a Schmidt filter's way with them (Schmidt, "Application of State-Space
    Methods to Navigation Problems", 1966).

    Args:
        cov: the covariance.
        up: (3,) the car's upward axis in the body; the gyroscope's bias about it is as if known.
    """
    known, u, column = as_known(cov), np.zeros(D.size), np.empty(D.size)
    variance = 0.0
    for i in range(3):
        u[D.gyro_bias + i] = up[i]
    known_times(known, u, column)
    for i in range(3):
        variance += up[i] * column[D.gyro_bias + i]
    if variance > KNOWN:
        shrink(known, column, variance)
    for i in range(D.wheel_scale, D.steering_offset):
        learn(known, i, column)
    learn(known, D.delay, column)
    learn(known, D.angle + 2, column)
    return known


@compiled
def delay_known(cov: Float) -> Float:
    """Returns the covariance as if the delay of fixes were known, so that nothing corrects it."""
    if cov[D.delay, D.delay] < 1e-12:
        return everything()
    known = as_known(cov)
    learn(known, D.delay, np.empty(D.size))
    return known


@compiled
def learn(known: Float, i: int, column: Float) -> None:
    """Conditions what `as_known` returned on one error; the column is written."""
    known_row(known, i, column)
    if column[i] > KNOWN:
        shrink(known, column, column[i])


@compiled
def credible(
    cov: Float,
    known: Float,
    dx: Float,
    h: Float,
    residual: float,
    std: float,
    time: float,
    since: float,
    gate: float,
) -> bool:
    """Corrects by a scalar whose error `std` persists for `time` s, if it is within the gate."""
    k = np.empty(D.size)
    new, own = innovation(cov, h, dx, residual, k)
    if not new * new <= gate * (own + std * std):
        return False
    correct(cov, known, dx, h, k, new, own, persistent(std, time, since))
    return True


@compiled
def gated(
    x: Record,
    cov: Float,
    known: Float,
    rows: Float,
    residual: Float,
    std: Float,
    variance: Float,
    gate: float,
) -> int:
    """Corrects by several numbers that one sensor gave at once, or by none of them.

    Args:
        x: the state; written.
        cov: its covariance; written.
        known: as in `correct`; written.
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
        correct(cov, known, dx, rows[i], k, new, own, variance[i])
    if given == 0:
        return MISSING
    if distance <= gate:
        inject(x, cov, dx)
        return TAKEN
    cov[:] = kept
    return REFUSED


@compiled
def inject(x: Record, cov: Float, dx: Float) -> None:
    """Adds the error to the state, and brings the covariance to the new velocity and position.

    Velocity and position turn with the correction of the attitude. The covariance is kept as it is
    in the right-invariant error, of which a heading that nothing shows stays independent.
    """
    ax, ay, az = dx[D.angle], dx[D.angle + 1], dx[D.angle + 2]
    angle = math.sqrt(ax * ax + ay * ay + az * az)
    w, v = math.cos(0.5 * angle), 0.5
    if angle > 1e-6:
        v = math.sin(0.5 * angle) / angle
    q = x["attitude"]
    hamilton(w, v * ax, v * ay, v * az, q[0], q[1], q[2], q[3], q)
    sine, cosine = 2.0 * w * v, 2.0 * v * v  # of Exp: 1 + sine [a]x + cosine [a]x^2
    turn_with(x["velocity"], cov, dx, D.velocity, sine, cosine)
    turn_with(x["position"], cov, dx, D.position, sine, cosine)
    for i in range(3):
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
def turn_with(u: Float, cov: Float, dx: Float, at: int, sine: float, cosine: float) -> None:
    """Corrects velocity or position, `u`, whose errors begin at `at`, with the angle's."""
    ax, ay, az = dx[D.angle], dx[D.angle + 1], dx[D.angle + 2]
    # c = a x u and a x c: Exp(a) u = u + sine c + cosine a x c.
    cx, cy, cz = ay * u[2] - az * u[1], az * u[0] - ax * u[2], ax * u[1] - ay * u[0]
    by_x = dx[at] + (sine - 1.0) * cx + cosine * (ay * cz - az * cy)
    by_y = dx[at + 1] + (sine - 1.0) * cy + cosine * (az * cx - ax * cz)
    by_z = dx[at + 2] + (sine - 1.0) * cz + cosine * (ax * cy - ay * cx)
    u[0] += by_x
    u[1] += by_y
    u[2] += by_z
    change = np.zeros((3, 3))  # error += error of the angle x change
    change[0, 1], change[0, 2] = by_z, -by_y
    change[1, 0], change[1, 2] = -by_z, by_x
    change[2, 0], change[2, 1] = by_y, -by_x
    drive(cov, at, change, D.angle)


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
