"""Computes the feet's positions by joint encoders, along serial chains from the IMU to the soles.

A chain is described at zero joint angles, every vector along the axes of the IMU, so that no
fixed rotation between two links is needed (the product of exponentials of Brockett, 1984, and
Lynch and Park, "Modern Robotics", section 4.1).
"""

import math
from collections.abc import Sequence

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged.config import LegChain
from edge_runtime.signals import Array, Float, Index

_ROUNDED = 2e-5  # how far the length of an axis of four decimals may be from 1


@compiled
def move_legs(
    joint_pos: Float,
    joints: Index,
    spans: Index,
    offsets: Float,
    axes: Float,
    points: Float,
    positions: Float,
    jacobian: Float,
) -> None:
    """Computes the points at the end of each leg and their Jacobian.

    Args:
        joint_pos: (J,) rad, of all the robot's joints.
        joints: (n,) the legs' joints among them, leg by leg.
        spans: (L, 4) of each leg, its first joint and the one after its last, and likewise points.
        offsets: (n, 3) m.
        axes: (n, 3) unit vectors.
        points: (p, 3) m.
        positions: (p, 3) m, written.
        jacobian: (p, 3, n) m/rad, written for the joints of the points' own leg.
    """
    anchors = np.empty((joints.size, 3))
    turned = np.empty((joints.size, 3))
    for leg in range(spans.shape[0]):
        m = np.eye(3)  # from the frame after the joints so far to the IMU's
        at = np.zeros(3)
        for j in range(spans[leg, 0], spans[leg, 1]):
            for i in range(3):
                shift, axis = 0.0, 0.0
                for k in range(3):
                    shift += m[i, k] * offsets[j, k]
                    axis += m[i, k] * axes[j, k]
                at[i] += shift
                anchors[j, i] = at[i]
                turned[j, i] = axis
            # Rodrigues' formula, about the turned axis
            angle = joint_pos[joints[j]]
            sine, versine = np.sin(angle), 1.0 - np.cos(angle)
            a, b, c = turned[j, 0], turned[j, 1], turned[j, 2]
            for k in range(3):
                x, y, z = m[0, k], m[1, k], m[2, k]
                along = (a * x + b * y + c * z) * versine
                m[0, k] = x - versine * x + along * a + sine * (b * z - c * y)
                m[1, k] = y - versine * y + along * b + sine * (c * x - a * z)
                m[2, k] = z - versine * z + along * c + sine * (a * y - b * x)
        for p in range(spans[leg, 2], spans[leg, 3]):
            for i in range(3):
                shift = 0.0
                for k in range(3):
                    shift += m[i, k] * points[p, k]
                positions[p, i] = at[i] + shift
            for j in range(spans[leg, 0], spans[leg, 1]):
                x = positions[p, 0] - anchors[j, 0]
                y = positions[p, 1] - anchors[j, 1]
                z = positions[p, 2] - anchors[j, 2]
                jacobian[p, 0, j] = turned[j, 1] * z - turned[j, 2] * y
                jacobian[p, 1, j] = turned[j, 2] * x - turned[j, 0] * z
                jacobian[p, 2, j] = turned[j, 0] * y - turned[j, 1] * x


class LegKinematics:
    """Binds the legs' chains to a robot's joints.

    `positions`, (p, 3) m in the IMU's frame, are those of all legs' points, leg by leg; `jacobian`,
    (p, 3, n) m/rad, is theirs by the n joints of all legs, 0 for those of another leg. `joints`,
    (n,), are the places of these joints in `joint_pos`, `leg_of_point`, (p,), the leg that each
    point belongs to, and `spans` is as `move_legs` takes it.

    Args:
        chains: the legs.
        joint_names: the robot's, in the order of `joint_pos`.

    Raises:
        UserError: the robot lacks one of their joints, or an axis is no unit vector.
    """

    def __init__(self, chains: Sequence[LegChain], joint_names: Sequence[str]) -> None:
        for chain in chains:
            _check_chain(chain, joint_names)
        joints = [joint for chain in chains for joint in chain.joints]
        self.joints = np.array([joint_names.index(j.name) for j in joints], np.int64)
        self._offsets = np.array([j.offset for j in joints], np.float64).reshape(-1, 3)
        self._axes = np.array([j.axis for j in joints], np.float64).reshape(-1, 3)
        points = [point for chain in chains for point in chain.points]
        self._points = np.array(points, np.float64).reshape(-1, 3)
        joint_ends = np.cumsum([0, *(len(chain.joints) for chain in chains)])
        point_ends = np.cumsum([0, *(len(chain.points) for chain in chains)])
        self.spans = np.stack(
            [joint_ends[:-1], joint_ends[1:], point_ends[:-1], point_ends[1:]], axis=1
        ).astype(np.int64)  # as `move_legs` takes them
        self.leg_of_point = np.repeat(np.arange(len(chains)), np.diff(point_ends))  # (p,)
        self.positions: Float = np.zeros_like(self._points)
        self.jacobian: Float = np.zeros((len(self._points), 3, len(joints)))
        self._angles: Float = np.zeros(len(joint_names))

    def move(self, joint_pos: Array | Float) -> Float:
        """Brings `positions` and `jacobian` up to date.

        Args:
            joint_pos: (J,) rad, of all the robot's joints.

        Returns:
            `positions`, (p, 3) m, in the IMU's frame: a buffer that the next call overwrites.
        """
        self._angles[:] = joint_pos
        move_legs(
            self._angles,
            self.joints,
            self.spans,
            self._offsets,
            self._axes,
            self._points,
            self.positions,
            self.jacobian,
        )
        return self.positions


def _check_chain(chain: LegChain, joint_names: Sequence[str]) -> None:
    """Raises `UserError` unless the robot has the joints and their axes are unit vectors."""
    missing = [j.name for j in chain.joints if j.name not in joint_names]
    if missing:
        raise UserError(f"leg '{chain.name}': the robot has no joint '{missing[0]}'")
    if not all(abs(math.hypot(*j.axis) - 1.0) < _ROUNDED for j in chain.joints):
        raise UserError(f"leg '{chain.name}': the axes of its joints must have length 1")
