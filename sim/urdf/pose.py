"""Describes the pose of one frame in another, and how URDF writes it."""

from dataclasses import dataclass, field

import mujoco
import numpy as np

from edge_runtime.signals import Float

_SINGULAR = 1e-14  # cosine of the pitch below which yaw is mere rounding


def _identity() -> Float:
    return np.eye(3)


@dataclass(frozen=True)
class Pose:
    """Places one frame in another by a position, m, and a rotation matrix."""

    position: Float = field(default_factory=lambda: np.zeros(3))
    rotation: Float = field(default_factory=_identity)

    def __matmul__(self, inner: "Pose") -> "Pose":
        """Transforms `inner`, which is given in this frame, to the frame in which this one is
        given."""
        position = self.position + self.rotation @ inner.position
        return Pose(position, self.rotation @ inner.rotation)

    @property
    def rpy(self) -> Float:
        """Returns roll, pitch, yaw, rad (3,): rotations about the fixed axes x, y, z in this order.

        Roll is computed after yaw is undone, so that the three together are exact to rounding for
        any pitch, even where yaw alone is ill-conditioned.
        """
        r = self.rotation
        cosine = np.hypot(r[0, 0], r[1, 0])
        yaw = np.arctan2(r[1, 0], r[0, 0]) if cosine > _SINGULAR else 0.0
        c, s = np.cos(yaw), np.sin(yaw)
        second = c * r[1] - s * r[0]  # the second row of the rotation without yaw
        pitch = np.arctan2(-r[2, 0], c * r[0, 0] + s * r[1, 0])
        return np.array([np.arctan2(-second[2], second[1]), pitch, yaw])


def pose(position: Float, quaternion: Float) -> Pose:
    """Builds a pose from a position (3,) and a quaternion wxyz (4,)."""
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, np.asarray(quaternion, np.float64))
    return Pose(np.array(position, np.float64), matrix.reshape(3, 3))


def shift(by: Float) -> Pose:
    """Returns a frame that is displaced by (3,) m."""
    return Pose(np.array(by, np.float64))


def turn(axis: Float, angle: float) -> Pose:
    """Returns a frame that is rotated by `angle` rad about `axis` (3,)."""
    quaternion = np.zeros(4)
    mujoco.mju_axisAngle2Quat(quaternion, np.asarray(axis, np.float64), angle)
    return pose(np.zeros(3), quaternion)
