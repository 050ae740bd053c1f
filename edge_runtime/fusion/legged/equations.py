"""Implements the contact-aided invariant filter's equations, which change its record in place.

Hartley, Ghaffari, Eustice, Grizzle, "Contact-aided invariant extended Kalman filtering for robot
state estimation", IJRR 39(4), 2020. The state is X in SE_{2+F}(3), kept in
the fields `rotation`, `velocity`, `position` and `place` of each foot, and the biases of gyroscope
and accelerometer. The error is the right-invariant one, true X = Exp(xi) X, in the order rotation,
velocity, position, feet, gyro bias, accel bias: 15 + 3F numbers. DERIVATION.md derives it all.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled, product
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.legged.state import D
from edge_runtime.fusion.lie import sek3_exp, skew, so3_exp, so3_gamma_2, so3_left_jacobian
from edge_runtime.signals import Float


@compiled
def propagate(x: Record, covariance: Float, dt: float, p: Record, walk: Float) -> None:
    """Propagates by the last IMU reading, held constant over dt (section 5.1, appendix A).

    The mean and the transition of pose and feet are exact; the columns of the transition that
    belong to the biases hold to third order of dt.

    Args:
        x: the state, changed in place.
        covariance: the covariance of the state, changed in place.
        dt: s.
        p: the parameters.
        walk: (F, F) squared spectral densities of the feet's positions, between each two of them;
            0 for a foot that is not in the state.
    """
    feet, rotation = p["feet"], x["rotation"]
    b = D.feet + 3 * feet  # where the biases begin
    phi, force = np.empty(3), np.empty(3)
    for i in range(3):
        phi[i] = (x["gyro"][i] - x["gyro_bias"][i]) * dt
        force[i] = x["accel"][i] - x["accel_bias"][i]
    first = product(rotation, so3_left_jacobian(phi)) * dt  # integral of R over dt
    second = product(rotation, so3_gamma_2(phi)) * (dt * dt)  # and of that
    middle, place = np.empty(3), np.empty(3)
    for i in range(3):
        gravity = -GRAVITY if i == 2 else 0.0
        push = first[i, 0] * force[0] + first[i, 1] * force[1] + first[i, 2] * force[2]
        path = second[i, 0] * force[0] + second[i, 1] * force[1] + second[i, 2] * force[2]
        before = x["velocity"][i]
        x["position"][i] += before * dt + path + 0.5 * gravity * dt * dt
        x["velocity"][i] += push + gravity * dt
        middle[i] = 0.5 * (before + x["velocity"][i])
        place[i] = x["position"][i] - 0.5 * dt * x["velocity"][i]
    rotation[:] = product(rotation, so3_exp(phi))

    # the transition's columns that belong to the biases
    of_bias = np.zeros((b, 6))
    of_bias[: D.velocity, 0:3] = -first
    of_bias[D.velocity : D.position, 0:3] = -product(skew(middle), first)
    of_bias[D.velocity, 0:3] -= GRAVITY * second[1]
    of_bias[D.velocity + 1, 0:3] += GRAVITY * second[0]
    of_bias[D.position : D.feet, 0:3] = -product(skew(place), first) - product(skew(middle), second)
    for k in range(feet):
        at = D.feet + 3 * k
        of_bias[at : at + 3, 0:3] = -product(skew(x["feet"][k]["place"]), first)
    of_bias[D.velocity : D.position, 3:6] = -first
    of_bias[D.position : D.feet, 3:6] = -second
    _transport(covariance, of_bias, dt, p["gyro_noise"] ** 2, p["accel_noise"] ** 2)
    for i in range(3):
        covariance[b + i, b + i] += p["gyro_walk"] ** 2 * dt
        covariance[b + 3 + i, b + 3 + i] += p["accel_walk"] ** 2 * dt
        for j in range(feet):
            for k in range(feet):
                covariance[D.feet + 3 * j + i, D.feet + 3 * k + i] += walk[j, k] * dt


@compiled
def _transport(
    covariance: Float, of_bias: Float, dt: float, gyro_noise: float, accel_noise: float
) -> None:
    """Replaces P by Phi P Phi' + Q, for Phi = [[A, B], [0, I]] of pose and biases.

    A is that of the group, the same at every state: velocity falls with the turned gravity,
    position follows velocity. White noise of the IMU comes in as its biases do, so it is added to
    their covariance, once, over dt.

    Args:
        covariance: (n, n), changed in place.
        of_bias: (n - 6, 6), B.
        dt: s.
        gyro_noise: squared spectral density.
        accel_noise: likewise.
    """
    b = of_bias.shape[0]
    turn = dt * GRAVITY  # skew(gravity) dt has -turn and turn for entries
    fall = 0.5 * dt * turn
    p = covariance
    for j in range(p.shape[0]):  # rows: A P
        p[6, j] += dt * p[3, j] + fall * p[1, j]
        p[7, j] += dt * p[4, j] - fall * p[0, j]
        p[8, j] += dt * p[5, j]
        p[3, j] += turn * p[1, j]
        p[4, j] -= turn * p[0, j]
    for i in range(p.shape[0]):  # columns: A P A'
        p[i, 6] += dt * p[i, 3] + fall * p[i, 1]
        p[i, 7] += dt * p[i, 4] - fall * p[i, 0]
        p[i, 8] += dt * p[i, 5]
        p[i, 3] += turn * p[i, 1]
        p[i, 4] -= turn * p[i, 0]
    block = covariance[
        D.velocity : D.feet, D.velocity : D.feet
    ].copy()  # elsewhere it is symmetric to the last bit
    covariance[D.velocity : D.feet, D.velocity : D.feet] = 0.5 * (block + block.T)

    change = product(of_bias, covariance[b:, b:].copy())
    half = covariance[:b, b:] + 0.5 * change
    for i in range(b):
        for j in range(3):
            half[i, j] += (0.5 * gyro_noise / dt) * of_bias[i, j]
            half[i, 3 + j] += (0.5 * accel_noise / dt) * of_bias[i, 3 + j]
    both = product(half, of_bias.T.copy())
    for i in range(b):
        for j in range(b):
            covariance[i, j] += both[i, j] + both[j, i]
        for j in range(6):
            covariance[i, b + j] += change[i, j]
            covariance[b + j, i] += change[i, j]


@compiled
def retract(x: Record, xi: Float) -> None:
    """Corrects the state by an error: X <- Exp(xi) X."""
    b = xi.size - 6
    turn, shift = sek3_exp(xi[:b])
    x["rotation"][:] = product(turn, x["rotation"])
    _move(x["velocity"], turn, shift[0])
    _move(x["position"], turn, shift[1])
    for k in range(2, shift.shape[0]):
        _move(x["feet"][k - 2]["place"], turn, shift[k])
    for i in range(3):
        x["gyro_bias"][i] += xi[b + i]
        x["accel_bias"][i] += xi[b + 3 + i]


@compiled
def _move(v: Float, turn: Float, shift: Float) -> None:
    """Turns a vector, (3,), and shifts it, in place."""
    a, b, c = v[0], v[1], v[2]
    for i in range(3):
        v[i] = a * turn[i, 0] + b * turn[i, 1] + c * turn[i, 2] + shift[i]


@compiled
def whitener(s: Float) -> Float:
    """Returns the inverse of the lower Cholesky factor of a positive (3, 3) matrix."""
    a = 1.0 / math.sqrt(s[0, 0])
    b, c = s[1, 0] * a, s[2, 0] * a
    d = 1.0 / math.sqrt(s[1, 1] - b * b)
    e = (s[2, 1] - c * b) * d
    f = 1.0 / math.sqrt(s[2, 2] - c * c - e * e)
    w = np.zeros((3, 3))
    w[0, 0] = a
    w[1, 0] = -b * a * d
    w[1, 1] = d
    w[2, 0] = (e * b * d - c) * a * f
    w[2, 1] = -e * d * f
    w[2, 2] = f
    return w


@compiled
def innovation(
    x: Record, covariance: Float, weights: Float, positions: Float, variance: float
) -> tuple[Float, Float, Float]:
    """Returns the innovation of kinematics against standing feet (equations 28 to 31).

    Args:
        x: the state.
        covariance: the covariance of the state.
        weights: (F,) which feet; several give a weighted sum of theirs.
        positions: (F, 3) m, of the feet in the body frame.
        variance: m^2, of each component of what is measured.

    Returns:
        z (3,) in the world frame, H P (3, n), and its covariance S (3, 3), where H takes the
        position from each foot.
    """
    z = np.zeros(3)
    of_error = np.zeros((3, covariance.shape[0]))
    for k in range(weights.size):
        w = weights[k]
        if w == 0.0:
            continue
        b = D.feet + 3 * k
        for i in range(3):
            seen = x["position"][i] - x["feet"][k]["place"][i]
            for j in range(3):
                seen += x["rotation"][i, j] * positions[k, j]
            z[i] += w * seen
        of_error += w * (covariance[b : b + 3] - covariance[D.position : D.feet])
    s = variance * np.eye(3)
    for k in range(weights.size):
        if weights[k] != 0.0:
            b = D.feet + 3 * k
            s += weights[k] * (of_error[:, b : b + 3] - of_error[:, D.position : D.feet])
    return z, of_error, s


@compiled
def correct(
    x: Record,
    covariance: Float,
    z: Float,
    of_error: Float,
    white: Float,
    keep_heading: bool,
) -> None:
    """Corrects the state by an innovation z, with its H P and the whitener W of its covariance.

    P - P H' S^-1 H P is P - (W H P)' (W H P), which stays symmetric to the last bit. If the
    heading is to be kept, it and the gyroscope's bias about the vertical are considered rather
    than corrected (Schmidt, "Application of state-space methods to navigation problems", 1966):
    they and their covariance stay as they are, and all else is corrected.
    """
    gain = product(white, of_error)
    covariance -= product(gain.T.copy(), gain)
    xi = product(product(white, z.reshape(3, 1)).T.copy(), gain)[0]
    if keep_heading:
        _keep_heading(x["rotation"][2], covariance, gain, xi)
    retract(x, xi)


@compiled
def _keep_heading(up: Float, covariance: Float, gain: Float, xi: Float) -> None:
    """Undoes a correction of the heading and of the gyroscope's bias about the vertical.

    Args:
        up: (3,) the vertical in the body frame.
        covariance: changed in place.
        gain: (3, n) W H P.
        xi: (n,) the correction, changed in place.
    """
    b = xi.size - 6
    heading = gain[:, 2].copy()
    drift = gain[:, b] * up[0] + gain[:, b + 1] * up[1] + gain[:, b + 2] * up[2]
    own, both, others = (heading * heading).sum(), (heading * drift).sum(), (drift * drift).sum()
    along = xi[b] * up[0] + xi[b + 1] * up[1] + xi[b + 2] * up[2]
    covariance[D.heading, D.heading] += own
    xi[D.heading] = 0.0
    for i in range(3):
        covariance[D.heading, b + i] += both * up[i]
        covariance[b + i, D.heading] += both * up[i]
        xi[b + i] -= along * up[i]
        for j in range(3):
            covariance[b + i, b + j] += others * up[i] * up[j]


@compiled
def distance(z: Float, white: Float) -> float:
    """Returns the squared Mahalanobis distance of a (3,) innovation, by its whitener."""
    total = 0.0
    for i in range(3):
        entry = white[i, 0] * z[0] + white[i, 1] * z[1] + white[i, 2] * z[2]
        total += entry * entry
    return total


@compiled
def place_foot(x: Record, covariance: Float, foot: int, reading: Float) -> None:
    """Places a foot that touches down where kinematics sees it (equations 41 to 43).

    The noise of kinematics remains to be added to the covariance.
    """
    k, place = D.feet + 3 * foot, x["feet"][foot]["place"]
    for i in range(3):
        place[i] = x["position"][i]
        for j in range(3):
            place[i] += x["rotation"][i, j] * reading[j]
    covariance[k : k + 3] = covariance[D.position : D.feet]
    covariance[:, k : k + 3] = covariance[:, D.position : D.feet].copy()


@compiled
def forget_foot(covariance: Float, foot: int) -> None:
    """Marginalizes a foot that lifts off (equation 40)."""
    k = D.feet + 3 * foot
    covariance[k : k + 3] = 0.0
    covariance[:, k : k + 3] = 0.0


@compiled
def world_covariance(velocity: Float, position: Float, covariance: Float) -> Float:
    """Returns the (9, 9) covariance of true - estimated rotation, velocity, position in the world.

    The invariant error of a vector holds its turn about the world's origin: u = xi_u + xi_R x u.
    """
    jacobian = np.eye(9)
    jacobian[D.velocity : D.position, : D.velocity] = -skew(velocity)
    jacobian[D.position : D.feet, : D.velocity] = -skew(position)
    result = product(product(jacobian, covariance[: D.feet, : D.feet].copy()), jacobian.T.copy())
    return 0.5 * (result + result.T)
