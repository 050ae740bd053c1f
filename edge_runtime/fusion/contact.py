"""How probably a foot stands, by the force under it.

The force comes from touch sensors or, where there is none, from the joints' torques (Camurri et
al., "Probabilistic contact estimation and impact detection for state estimation of quadruped
robots", RA-L 2(2), 2017, who use this logistic of the normal force).
"""

import math
from collections.abc import Sequence

import numpy as np

from edge_runtime.fusion.legged_config import ContactConfig
from edge_runtime.fusion.measurement import Float
from edge_runtime.signal import Array


class ContactProbability:
    """Probabilities of contact of F feet, one reading after another.

    Args:
        config: from force to probability.
        feet: F.
    """

    def __init__(self, config: ContactConfig, feet: int) -> None:
        self.config = config
        self.probability: Float = np.zeros(feet)
        self._stands = [False] * feet

    def reset(self) -> None:
        """Forget which feet stood."""
        self.probability[:] = 0.0
        self._stands = [False] * len(self._stands)

    def update(self, force: Sequence[float]) -> Float:
        """Take in the normal forces, (F,) N; NaN stays NaN.

        Returns:
            (F,) probabilities, a buffer that the next call overwrites.
        """
        config = self.config
        for foot, newtons in enumerate(force):
            stands = self._stands[foot]
            middle = config.force + (-config.hysteresis if stands else config.hysteresis)
            argument = (newtons - middle) / config.width
            # beyond ±40 the logistic is 0 or 1 to double precision
            p = 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, argument))))
            self.probability[foot] = p if argument == argument else math.nan
            if argument == argument:
                self._stands[foot] = argument > 0.0
        return self.probability


def force_by_torque(jacobian: Float, torque: Array | Float, up: Float, damping: float) -> float:
    """The ground's normal force on a foot, by the torques of its leg.

    At rest and without the leg's own weight, torque + J' force = 0, solved by damped least squares
    (Nakamura and Hanafusa, 1986).

    Args:
        jacobian: (3, n) m/rad, of the foot in the body frame.
        torque: (n,) Nm, of the actuators.
        up: (3,) the vertical, in the body frame.
        damping: m.

    Returns:
        N, positive when the ground pushes up.
    """
    gram = jacobian @ jacobian.T + damping**2 * np.eye(3)
    force = -np.linalg.solve(gram, jacobian @ torque)
    return float(up @ force)
