"""Computes rotations SO(3) and extended poses SE_k(3): exponentials, Jacobians, quaternions.

Closed forms as in Hartley et al., IJRR 2020, appendix; Barrau and Bonnabel, "The invariant
extended Kalman filter as a stable observer", TAC 2017; Bloesch et al., 2012 (Gamma_m). All
angles in rad, quaternions wxyz with w >= 0, matrices act on column vectors.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.signals import Float

_SMALL = 1e-3  # rad^2; below, the series are exact to 1e-17


@compiled
def skew(v: Float) -> Float:
    """Returns the matrix of the cross product, (3, 3): its product with u is v x u."""
    m = np.zeros((3, 3))
    m[0, 1] = -v[2]
    m[0, 2] = v[1]
    m[1, 0] = v[2]
    m[1, 2] = -v[0]
    m[2, 0] = -v[1]
    m[2, 1] = v[0]
    return m


@compiled
def _series(v: Float, a: float, b: float, c: float) -> Float:
    """Returns the (3, 3) matrix a I + b skew(v) + c skew(v)^2, by its entries."""
    x, y, z = v[0], v[1], v[2]
    m = np.empty((3, 3))
    m[0, 0] = a - c * (y * y + z * z)
    m[1, 1] = a - c * (x * x + z * z)
    m[2, 2] = a - c * (x * x + y * y)
    m[0, 1] = c * x * y - b * z
    m[1, 0] = c * x * y + b * z
    m[0, 2] = c * x * z + b * y
    m[2, 0] = c * x * z - b * y
    m[1, 2] = c * y * z - b * x
    m[2, 1] = c * y * z + b * x
    return m


@compiled
def so3_exp(v: Float) -> Float:
    """Returns the (3, 3) rotation by the rotation vector v (Gamma_0)."""
    s = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
    if s < _SMALL:
        b = 1.0 - s / 6.0 * (1.0 - s / 20.0 * (1.0 - s / 42.0))
        c = 0.5 - s / 24.0 * (1.0 - s / 30.0 * (1.0 - s / 56.0))
    else:
        angle = math.sqrt(s)
        b = math.sin(angle) / angle
        c = (1.0 - math.cos(angle)) / s
    return _series(v, 1.0, b, c)


@compiled
def so3_left_jacobian(v: Float) -> Float:
    """Returns the (3, 3) integral of Exp(t v) over t in 0..1 (Gamma_1, the left Jacobian)."""
    s = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
    if s < _SMALL:
        b = 0.5 - s / 24.0 * (1.0 - s / 30.0 * (1.0 - s / 56.0))
        c = 1.0 / 6.0 - s / 120.0 * (1.0 - s / 42.0 * (1.0 - s / 72.0))
    else:
        angle = math.sqrt(s)
        b = (1.0 - math.cos(angle)) / s
        c = (angle - math.sin(angle)) / (s * angle)
    return _series(v, 1.0, b, c)


@compiled
def so3_gamma_2(v: Float) -> Float:
    """Returns the (3, 3) twofold integral of Exp (Gamma_2), from constant force to shift."""
    s = v[0] * v[0] + v[1] * v[1] + v[2] * v[2]
    if s < _SMALL:
        b = 1.0 / 6.0 - s / 120.0 * (1.0 - s / 42.0 * (1.0 - s / 72.0))
        c = 1.0 / 24.0 - s / 720.0 * (1.0 - s / 56.0 * (1.0 - s / 90.0))
    else:
        angle = math.sqrt(s)
        b = (angle - math.sin(angle)) / (s * angle)
        c = (s + 2.0 * math.cos(angle) - 2.0) / (2.0 * s * s)
    return _series(v, 0.5, b, c)


@compiled
def so3_log(rotation: Float) -> Float:
    """Returns the (3,) rotation vector of a rotation matrix, of an angle in [0, pi]."""
    q = matrix_to_quaternion(rotation)
    v = q[1:].copy()
    sine = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    if sine < 1e-8:
        return v * 2.0  # to first order; the error is of third
    return v * (2.0 * math.atan2(sine, q[0]) / sine)


@compiled
def sek3_exp(xi: Float) -> tuple[Float, Float]:
    """Returns the exponential of SE_k(3).

    Args:
        xi: (3 + 3k,) rotation vector, then k translations.

    Returns:
        (3, 3) rotation and (k, 3) translations.
    """
    k = (xi.size - 3) // 3
    jacobian = so3_left_jacobian(xi[:3])
    translations = np.empty((k, 3))
    for i in range(k):
        for row in range(3):
            translations[i, row] = (
                jacobian[row, 0] * xi[3 + 3 * i]
                + jacobian[row, 1] * xi[4 + 3 * i]
                + jacobian[row, 2] * xi[5 + 3 * i]
            )
    return so3_exp(xi[:3]), translations


@compiled
def quaternion_to_matrix(q: Float) -> Float:
    """Returns the (3, 3) rotation of a unit quaternion."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    m = np.empty((3, 3))
    m[0, 0] = 1.0 - 2.0 * (y * y + z * z)
    m[1, 1] = 1.0 - 2.0 * (x * x + z * z)
    m[2, 2] = 1.0 - 2.0 * (x * x + y * y)
    m[0, 1] = 2.0 * (x * y - w * z)
    m[1, 0] = 2.0 * (x * y + w * z)
    m[0, 2] = 2.0 * (x * z + w * y)
    m[2, 0] = 2.0 * (x * z - w * y)
    m[1, 2] = 2.0 * (y * z - w * x)
    m[2, 1] = 2.0 * (y * z + w * x)
    return m


@compiled
def matrix_to_quaternion(m: Float) -> Float:
    """Returns the (4,) unit quaternion of a rotation, by its largest component (Shepperd, 1978)."""
    q = np.empty(4)
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    if trace >= m[0, 0] and trace >= m[1, 1] and trace >= m[2, 2]:
        q[0] = 1.0 + trace
        q[1] = m[2, 1] - m[1, 2]
        q[2] = m[0, 2] - m[2, 0]
        q[3] = m[1, 0] - m[0, 1]
    elif m[0, 0] >= m[1, 1] and m[0, 0] >= m[2, 2]:
        q[0] = m[2, 1] - m[1, 2]
        q[1] = 1.0 + m[0, 0] - m[1, 1] - m[2, 2]
        q[2] = m[0, 1] + m[1, 0]
        q[3] = m[0, 2] + m[2, 0]
    elif m[1, 1] >= m[2, 2]:
        q[0] = m[0, 2] - m[2, 0]
        q[1] = m[0, 1] + m[1, 0]
        q[2] = 1.0 - m[0, 0] + m[1, 1] - m[2, 2]
        q[3] = m[1, 2] + m[2, 1]
    else:
        q[0] = m[1, 0] - m[0, 1]
        q[1] = m[0, 2] + m[2, 0]
        q[2] = m[1, 2] + m[2, 1]
        q[3] = 1.0 - m[0, 0] - m[1, 1] + m[2, 2]
    scale = 1.0 / math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    if q[0] < 0.0:
        scale = -scale
    for i in range(4):
        q[i] *= scale
    return q


@compiled
def tilt_from_gravity(accel: Float) -> Float:
    """Returns the (3, 3) rotation body to world, of yaw 0, in which this specific force points up.

    Args:
        accel: (3,) specific force in the body frame, not zero.
    """
    norm = math.sqrt(accel[0] * accel[0] + accel[1] * accel[1] + accel[2] * accel[2])
    ux, uy, uz = accel[0] / norm, accel[1] / norm, accel[2] / norm  # up, in the body frame
    q = np.empty(4)  # R = Ry(pitch) Rx(roll)
    roll = math.atan2(uy, uz)
    pitch = math.atan2(-ux, math.sqrt(uy * uy + uz * uz))
    cr, sr = math.cos(0.5 * roll), math.sin(0.5 * roll)
    cp, sp = math.cos(0.5 * pitch), math.sin(0.5 * pitch)
    q[0] = cp * cr
    q[1] = cp * sr
    q[2] = sp * cr
    q[3] = -sp * sr
    return quaternion_to_matrix(q)


@compiled
def times(
    a0: float, a1: float, a2: float, a3: float, b0: float, b1: float, b2: float, b3: float
) -> tuple[float, float, float, float]:
    """Returns the Hamilton product of two quaternions a and b, wxyz."""
    return (
        a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3,
        a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2,
        a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1,
        a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0,
    )


@compiled
def times_conjugate(
    a0: float, a1: float, a2: float, a3: float, b0: float, b1: float, b2: float, b3: float
) -> tuple[float, float, float, float]:
    """Returns the product of a quaternion a and the conjugate of b, wxyz."""
    return times(a0, a1, a2, a3, b0, -b1, -b2, -b3)
