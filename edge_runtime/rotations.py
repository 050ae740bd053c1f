"""Computes rotations of N rows; quaternions are wxyz, body to world, (N, 4)."""

import numpy as np

from edge_runtime.signals import Float


def multiply(p: Float, q: Float) -> Float:
    """Returns the Hamilton product p ⊗ q of rows, (N, 4)."""
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
    """Returns the heading about the world's vertical, (N,), rad."""
    w, x, y, z = quat.T
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def about_vertical(angle: Float, vector: Float) -> Float:
    """Turns vectors, (N, 2 or 3), about the vertical by `angle`, (N,), rad."""
    c, s = np.cos(angle), np.sin(angle)
    turned = vector.copy()
    turned[:, 0] = c * vector[:, 0] - s * vector[:, 1]
    turned[:, 1] = s * vector[:, 0] + c * vector[:, 1]
    return turned


def rotation_matrix(quat: Float) -> Float:
    """Returns rotation matrices, body to world, (N, 3, 3): column j is the body's axis j."""
    w, x, y, z = quat.T
    xx, yy, zz = x * x, y * y, z * z
    xy, xz, yz, wx, wy, wz = x * y, x * z, y * z, w * x, w * y, w * z
    rows = [0.5 - yy - zz, xy - wz, xz + wy, xy + wz, 0.5 - xx - zz, yz - wx]
    rows += [xz - wy, yz + wx, 0.5 - xx - yy]
    return 2.0 * np.stack(rows, axis=1).reshape(-1, 3, 3)
