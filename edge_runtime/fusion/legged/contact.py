"""Computes the probability that a foot stands from the force under it.

The force comes from touch sensors, from the joints' torques, or from both (Camurri et al.,
"Probabilistic contact estimation and impact detection for state estimation of quadruped robots",
RA-L 2(2), 2017, who use this logistic of the normal force). Each is a witness of its own, whose
log-odds add; one that reads NaN says nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged.config import ContactConfig
from edge_runtime.fusion.legged.kinematics import LegKinematics
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.signals import Array, Float, Index

_SURE = 40.0  # log-odds, beyond which the logistic is 0 or 1 to double precision


class ContactProbability:
    """Computes the probabilities of contact of F feet, one reading after another.

    Args:
        config: from force to probability.
        feet: F.
    """

    def __init__(self, config: ContactConfig, feet: int) -> None:
        self.probability: Float = np.zeros(feet)
        self._stands: Float = np.zeros(feet)
        self._forces: Float = np.zeros((2, feet))  # of touch sensors, and by torques
        self._settings: Float = np.array([astuple(config.touch), astuple(config.torque)])

    def reset(self) -> None:
        """Forgets which feet stood."""
        self.probability[:] = 0.0
        self._stands[:] = 0.0

    def update(
        self,
        touch: Sequence[float] | Array | None = None,
        torque: Sequence[float] | Float | None = None,
    ) -> Float:
        """Updates the probabilities with the normal forces.

        Args:
            touch: (F,) N, of touch sensors.
            torque: (F,) N, estimated from the joints' torques.

        Returns:
            (F,) probabilities, a buffer that the next call overwrites; NaN for a foot of which
            nothing is read.
        """
        self._forces[0] = math.nan if touch is None else touch
        self._forces[1] = math.nan if torque is None else torque
        judge_contact(self._forces, self._settings, self._stands, self.probability)
        return self.probability


@compiled
def judge_contact(forces: Float, settings: Float, stands: Float, probability: Float) -> None:
    """Computes the probability that each foot stands.

    Args:
        forces: (2, F) N, by each witness; NaN where it says nothing.
        settings: (2, 4), the numbers of each witness's `ForceConfig` in their order.
        stands: (F,) whether each stood before, 1.0 or 0.0; written.
        probability: (F,) written; NaN for a foot of which no witness says anything.
    """
    for foot in range(probability.size):
        odds, witnesses = 0.0, 0
        for witness in range(2):
            newtons = forces[witness, foot]
            if newtons == newtons:
                odds += _log_odds(newtons, stands[foot] > 0.0, settings[witness])
                witnesses += 1
        if witnesses == 0:
            probability[foot] = math.nan
            continue
        odds = max(-_SURE, min(_SURE, odds))
        probability[foot] = 1.0 / (1.0 + math.exp(-odds))
        stands[foot] = 1.0 if odds > 0.0 else 0.0


@compiled
def _log_odds(newtons: float, stands: bool, setting: Float) -> float:
    """Returns the log-odds that a foot stands; less force is enough if it stood before."""
    force, width, hysteresis, surest = setting[0], setting[1], setting[2], setting[3]
    middle = force - hysteresis if stands else force + hysteresis
    return max(-surest, min(surest, (newtons - middle) / width))


@compiled
def force_by_torque(jacobian: Float, torque: Float, up: Float, damping: float) -> float:
    """Returns the ground's normal force on a foot, by the torques of its leg.

    At rest and without the leg's own weight, torque + J' force = 0, solved by damped least
    squares (Nakamura and Hanafusa, 1986).

    Args:
        jacobian: (p, 3, n) m/rad, of the foot's points in the body frame; their mean counts.
        torque: (n,) Nm, of the actuators.
        up: (3,) the vertical, in the body frame.
        damping: m.

    Returns:
        N, positive when the ground pushes up; NaN if anything is not finite, or the leg's
        torques show no force.
    """
    points, _, joints = jacobian.shape
    mean = np.zeros((3, joints))
    for p in range(points):
        mean += jacobian[p] / points
    gram, moment = np.zeros((3, 3)), np.zeros(3)
    for i in range(3):
        gram[i, i] = damping**2
        for j in range(joints):
            moment[i] += mean[i, j] * torque[j]
            for k in range(3):
                gram[i, k] += mean[i, j] * mean[k, j]
    # The columns of a symmetric matrix's inverse are cross products of its rows.
    upward, determinant = 0.0, 0.0
    for i in range(3):
        a, b = gram[(i + 1) % 3], gram[(i + 2) % 3]
        x = a[1] * b[2] - a[2] * b[1]
        y = a[2] * b[0] - a[0] * b[2]
        z = a[0] * b[1] - a[1] * b[0]
        upward += up[i] * (x * moment[0] + y * moment[1] + z * moment[2])
        determinant += (gram[i, 0] * x + gram[i, 1] * y + gram[i, 2] * z) / 3.0
    if not 0.0 < determinant < np.inf:
        return np.nan
    return -upward / determinant


@compiled
def forces_on_legs(
    jacobian: Float,
    joints: Index,
    spans: Index,
    torque: Array,
    attitude: Array,
    damping: float,
    forces: Float,
) -> None:
    """Computes the ground's normal force on each leg where it is now.

    Args:
        jacobian: (p, 3, n) of `LegKinematics`.
        joints: (n,) of `LegKinematics`.
        spans: (L, 4) of `LegKinematics`.
        torque: (J,) Nm, of all the robot's joints.
        attitude: (4,) body to world, wxyz.
        damping: m.
        forces: (L,) N, written; positive when the ground pushes up, NaN if anything is not finite
            or the torques show no force.
    """
    up = quaternion_to_matrix(attitude.astype(np.float64))[2]  # the vertical, in the body frame
    own = np.empty(joints.size)
    for j in range(joints.size):
        own[j] = torque[joints[j]]
    for leg in range(spans.shape[0]):
        first, end, point, points = spans[leg, 0], spans[leg, 1], spans[leg, 2], spans[leg, 3]
        force = force_by_torque(jacobian[point:points, :, first:end], own[first:end], up, damping)
        forces[leg] = force if math.isfinite(force) else math.nan


class TorqueForces:
    """Computes the forces under the feet from the joints' torques.

    Args:
        legs: the robot's, moved to the present joint angles before each `update`.
        damping: m, as in `ContactConfig`.
    """

    def __init__(self, legs: LegKinematics, damping: float) -> None:
        self._legs = legs
        self._damping = damping
        self._forces: Float = np.zeros(len(legs.spans))

    def update(self, torque: Array, attitude: Array) -> Float:
        """Returns the ground's normal force on each leg where `legs` are now.

        Args:
            torque: (J,) Nm, of all the robot's joints.
            attitude: (4,) body to world, wxyz.

        Returns:
            (L,) N, in a buffer that the next call overwrites; positive when the ground pushes up,
            NaN if anything is not finite or the torques show no force.
        """
        legs = self._legs
        forces_on_legs(
            legs.jacobian, legs.joints, legs.spans, torque, attitude, self._damping, self._forces
        )
        return self._forces
