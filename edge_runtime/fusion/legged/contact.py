"""Computes the probability that a foot stands from the force under it.

The force comes from touch sensors, from the joints' torques, or from both (Camurri et al.,
"Probabilistic contact estimation and impact detection for state estimation of quadruped robots",
RA-L 2(2), 2017, who use this logistic of the normal force). Each is a witness of its own, whose
log-odds add; one that reads NaN says nothing.
"""

import math
from collections.abc import Sequence

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged.config import ContactConfig, ForceConfig
from edge_runtime.fusion.legged.kinematics import Leg
from edge_runtime.signals import Array, Float

_SURE = 40.0  # log-odds, beyond which the logistic is 0 or 1 to double precision


class ContactProbability:
    """Computes the probabilities of contact of F feet, one reading after another.

    Args:
        config: from force to probability.
        feet: F.
    """

    def __init__(self, config: ContactConfig, feet: int) -> None:
        self.config = config
        self.probability: Float = np.zeros(feet)
        self._stands = [False] * feet

    def reset(self) -> None:
        """Forgets which feet stood."""
        self.probability[:] = 0.0
        self._stands = [False] * len(self._stands)

    def update(
        self, touch: Sequence[float] | None = None, torque: Sequence[float] | None = None
    ) -> Float:
        """Updates the probabilities with the normal forces.

        Args:
            touch: (F,) N, of touch sensors.
            torque: (F,) N, estimated from the joints' torques.

        Returns:
            (F,) probabilities, a buffer that the next call overwrites; NaN for a foot of which
            nothing is read.
        """
        config = self.config
        witnesses = ((touch, config.touch), (torque, config.torque))
        for foot, stands in enumerate(self._stands):
            evidence = [
                _log_odds(forces[foot], stands, of)
                for forces, of in witnesses
                if forces is not None and forces[foot] == forces[foot]
            ]
            if not evidence:
                self.probability[foot] = math.nan
                continue
            odds = max(-_SURE, min(_SURE, sum(evidence)))
            self.probability[foot] = 1.0 / (1.0 + math.exp(-odds))
            self._stands[foot] = odds > 0.0
        return self.probability


def _log_odds(newtons: float, stands: bool, config: ForceConfig) -> float:
    """Returns the log-odds that a foot stands; less force is enough if it stood before."""
    middle = config.force + (-config.hysteresis if stands else config.hysteresis)
    return max(-config.surest, min(config.surest, (newtons - middle) / config.width))


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


def force_on_leg(leg: Leg, torque: Array | Float, up: Float, config: ContactConfig) -> float:
    """Returns the ground's normal force on a leg where it is now.

    Args:
        leg: moved to the present joint angles.
        torque: (J,) Nm, of all the robot's joints.
        up: (3,) the vertical, in the body frame.
        config: whose `damping` is used.

    Returns:
        N, positive when the ground pushes up; NaN if a torque is not finite.
    """
    own = torque[leg.joints].astype(np.float64)
    force: float = force_by_torque(leg.jacobian, own, up, config.damping)
    return force if math.isfinite(force) else math.nan
