"""Simulates a crane that holds robots up by an elastic rope, until it lets go."""

import numpy as np

from edge_runtime.signals import Float
from policies.evaluation.measures import GRAVITY
from policies.gauntlet.walking.protocol import WalkingGauntlet


class Crane:
    """Computes the crane's forces on N robots.

    Each hangs from a point above where it began, with its whole weight on the rope while its feet
    just touch the ground. The rope pulls at the main body; below it the robot is free to swing.
    """

    def __init__(self, protocol: WalkingGauntlet, rows: int) -> None:
        self._seconds = protocol.crane_seconds
        self._pulse = 2.0 * np.pi * protocol.crane_frequency
        self._damping = 2.0 * protocol.crane_damping * self._pulse
        self._anchor = np.zeros((rows, 3))
        self._mass = np.zeros(rows)

    def hang(self, row: int, position: Float, mass: float) -> None:
        """Hooks up a robot of that mass, kg, where it is, (3,) m."""
        self._anchor[row], self._mass[row] = position, mass

    def force(self, time: Float, position: Float, velocity: Float) -> Float:
        """Returns the forces on the main bodies now, (N, 3) N; zeros once it has let go.

        Args:
            time: s since each trial began, (N,).
            position: the robots' positions, (N, 3) m.
            velocity: (N, 3) m/s.
        """
        pull = self._pulse**2 * (self._anchor - position) - self._damping * velocity
        pull[:, 2] = np.clip(pull[:, 2] + GRAVITY, 0.0, 2.0 * GRAVITY)  # a rope does not press
        held = np.where(time < self._seconds, self._mass, 0.0)
        return pull * held[:, None]
