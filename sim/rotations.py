"""Rotations of N simulations at once; quaternions wxyz, body to world, (N, 4)."""

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.floating]


def rotate(quat: Float, vector: Float) -> Float:
    """Vectors (N, 3) from the body's frame to the world's."""
    w, u = quat[:, :1], quat[:, 1:]
    return vector + 2.0 * cross(u, cross(u, vector) + w * vector)


def rotate_inverse(quat: Float, vector: Float) -> Float:
    """Vectors (N, 3) from the world's frame to the body's."""
    w, u = quat[:, :1], quat[:, 1:]
    return vector + 2.0 * cross(u, cross(u, vector) - w * vector)


def cross(a: Float, b: Float) -> Float:
    """Cross product of rows, (N, 3); several times faster than `np.cross` on small arrays."""
    x = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    y = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    z = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.stack([x, y, z], axis=1)


def multiply(p: Float, q: Float) -> Float:
    """Hamilton product p ⊗ q of rows, (N, 4)."""
    pw, px, py, pz = p.T
    qw, qx, qy, qz = q.T
    return np.stack(
        [
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ],
        axis=1,
    )


def yaw(quat: Float) -> Float:
    """Heading about the world's vertical, rad, (N,)."""
    w, x, y, z = quat.T
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def about_vertical(angle: Float, vector: Float) -> Float:
    """Vectors (N, 2 or 3) turned by `angle` (N,) rad about the vertical."""
    c, s = np.cos(angle), np.sin(angle)
    turned = vector.copy()
    turned[:, 0] = c * vector[:, 0] - s * vector[:, 1]
    turned[:, 1] = s * vector[:, 0] + c * vector[:, 1]
    return turned
