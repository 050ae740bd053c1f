"""Holds what the reward terms of driving read."""

from dataclasses import dataclass

from edge_runtime.signals import Float
from sim.tasks.reward_terms import Namespace


@dataclass
class DrivingState:
    """Holds N cars at the end of a control step, after which all arrays say what happened in it.

    The arrays may be of any library; `xp` has its functions.
    """

    xp: Namespace
    control_period: float  # s
    room: float  # m to a wall, from which on being near is a cost
    progress: Float  # (N,) m along the centre line in the last step
    velocity: Float  # (N, 2) m/s of the rear axle's centre, forward and left
    wheel_slip: Float  # (N, 2) m/s of the left and right rear tyre over the ground along the car
    clearance: Float  # (N,) m from the car's outline to the nearer wall; negative: beyond it
    change: Float  # (N, 2) of the actions steering and drive, against the step before
    crashed: Float  # (N,), 1 where the car left the track, rolled over or is stuck, else 0
