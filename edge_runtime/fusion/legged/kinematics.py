"""Computes the feet's positions by joint encoders, along serial chains from the IMU to the soles.

A chain is described at zero joint angles, every vector along the axes of the IMU, so that no
fixed rotation between two links is needed (the product of exponentials of Brockett, 1984, and
Lynch and Park, "Modern Robotics", section 4.1).
"""

from collections.abc import Sequence

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged.config import LegChain
from edge_runtime.signals import Array, Float


@compiled
def chain_points(
    angles: Float, offsets: Float, axes: Float, points: Float, positions: Float, jacobian: Float
) -> None:
    """Computes the points at the end of a chain and their Jacobian.

    Args:
        angles: (n,) rad.
        offsets: (n, 3) m.
        axes: (n, 3) unit vectors.
        points: (p, 3) m.
        positions: (p, 3) m, written.
        jacobian: (p, 3, n) m/rad, written.
    """
    count = angles.size
    anchors = np.empty((count, 3))
    turned = np.empty((count, 3))
    m = np.eye(3)  # from the frame after the joints so far to the IMU's
    at = np.zeros(3)
    for j in range(count):
        for i in range(3):
            shift, axis = 0.0, 0.0
            for k in range(3):
                shift += m[i, k] * offsets[j, k]
                axis += m[i, k] * axes[j, k]
            at[i] += shift
            anchors[j, i] = at[i]
            turned[j, i] = axis
        # Rodrigues' formula, about the turned axis
        sine, versine = np.sin(angles[j]), 1.0 - np.cos(angles[j])
        a, b, c = turned[j, 0], turned[j, 1], turned[j, 2]
        for k in range(3):
            x, y, z = m[0, k], m[1, k], m[2, k]
            along = (a * x + b * y + c * z) * versine
            m[0, k] = x - versine * x + along * a + sine * (b * z - c * y)
            m[1, k] = y - versine * y + along * b + sine * (c * x - a * z)
            m[2, k] = z - versine * z + along * c + sine * (a * y - b * x)
    for p in range(points.shape[0]):
        for i in range(3):
            shift = 0.0
            for k in range(3):
                shift += m[i, k] * points[p, k]
            positions[p, i] = at[i] + shift
        for j in range(count):
            x = positions[p, 0] - anchors[j, 0]
            y = positions[p, 1] - anchors[j, 1]
            z = positions[p, 2] - anchors[j, 2]
            jacobian[p, 0, j] = turned[j, 1] * z - turned[j, 2] * y
            jacobian[p, 1, j] = turned[j, 2] * x - turned[j, 0] * z
            jacobian[p, 2, j] = turned[j, 0] * y - turned[j, 1] * x


class Leg:
    """Binds one leg's chain to a robot's joints.

    Args:
        chain: the leg.
        joint_names: the robot's, in the order of `joint_pos`.

    Raises:
        UserError: the robot lacks one of its joints, or an axis is no unit vector.
    """

    def __init__(self, chain: LegChain, joint_names: Sequence[str]) -> None:
        self.name = chain.name
        missing = [j.name for j in chain.joints if j.name not in joint_names]
        if missing:
            raise UserError(f"leg '{chain.name}': the robot has no joint '{missing[0]}'")
        count = len(chain.joints)
        self.joints = np.array([joint_names.index(j.name) for j in chain.joints], np.intp)
        self._offsets = np.array([j.offset for j in chain.joints], np.float64).reshape(count, 3)
        self._axes = np.array([j.axis for j in chain.joints], np.float64).reshape(count, 3)
        self._points = np.array(chain.points, np.float64).reshape(-1, 3)
        if not np.allclose(np.linalg.norm(self._axes, axis=1), 1.0, atol=1e-6):
            raise UserError(f"leg '{chain.name}': the axes of its joints must have length 1")
        self.positions: Float = np.zeros_like(self._points)  # (p, 3) m, in the IMU's frame
        self.jacobian: Float = np.zeros((len(self._points), 3, count))  # m/rad, of its own joints

    def move(self, joint_pos: Array | Float) -> Float:
        """Brings `positions` and `jacobian` up to date.

        Args:
            joint_pos: (J,) rad, of all the robot's joints.

        Returns:
            `positions`, (p, 3) m, in the body frame.
        """
        angles = joint_pos[self.joints].astype(np.float64)
        chain_points(angles, self._offsets, self._axes, self._points, self.positions, self.jacobian)
        return self.positions
