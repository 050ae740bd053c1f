"""Reward terms of walking, each (N,); positive ones reward, the others are costs to weigh down."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.engines.engine import Float

if TYPE_CHECKING:
    from sim.tasks.walking.task import WalkingTask

TERMS: dict[str, Callable[["WalkingTask"], Float]] = {}


@dataclass(frozen=True)
class WalkingRewards:
    """Weight of each term below, per second; costs are negative."""

    track_velocity: float = 3.0
    track_yaw_rate: float = 3.0
    alive: float = 0.3
    gait: float = 2.0
    swing_height: float = 1.5
    tilt: float = -6.0
    height: float = -10.0
    vertical_velocity: float = -0.3
    roll_pitch_rate: float = -0.05
    foot_slip: float = -0.3
    foot_flat: float = -3.0
    foot_impact: float = -0.3
    feet_close: float = -8.0
    posture: float = -0.6
    stand_still: float = -0.4
    action_rate: float = -0.008
    action_jerk: float = -0.003
    effort: float = -0.06
    speed_limit: float = -0.05
    position_limit: float = -2.0


def reward(function: Callable[["WalkingTask"], Float]) -> Callable[["WalkingTask"], Float]:
    """Register a term under its function's name."""
    TERMS[function.__name__] = function
    return function


def sliding(task: "WalkingTask") -> Float:
    """Mean horizontal speed of the feet that touch the ground, 0 without one, (N,) m/s."""
    speed = np.sqrt((task.foot_velocity[:, :, :2] ** 2).sum(axis=2))
    mean: Float = (speed * task.contact).sum(axis=1) / np.maximum(task.contact.sum(axis=1), 1)
    return mean


def _squared(vectors: npt.NDArray[np.floating]) -> Float:
    """Squared length of each row, (N,)."""
    squares: Float = np.einsum("ni,ni->n", vectors, vectors)
    return squares


def _both(feet: Float) -> Float:
    """The sum of a value over the two feet, (N, 2) -> (N,)."""
    return feet[:, 0] + feet[:, 1]


@reward
def track_velocity(task: "WalkingTask") -> Float:
    """1 at the commanded forward and lateral velocity, falling off over about 0.3 m/s."""
    return np.exp(_squared(task.error[:, :2]) / -0.1)


@reward
def track_yaw_rate(task: "WalkingTask") -> Float:
    """1 at the commanded yaw rate, falling off over about 0.5 rad/s."""
    return np.exp(task.error[:, 2] ** 2 / -0.25)


@reward
def alive(task: "WalkingTask") -> Float:
    """1 for every step."""
    return np.ones(task.engine.rows)


@reward
def tilt(task: "WalkingTask") -> Float:
    """Squared horizontal part of gravity in the pelvis frame."""
    return _squared(task.gravity[:, :2])


@reward
def height(task: "WalkingTask") -> Float:
    """Squared error of the pelvis height, m²."""
    return (task.height - task.nominal_height) ** 2


@reward
def vertical_velocity(task: "WalkingTask") -> Float:
    """Squared, (m/s)²."""
    return task.velocity[:, 2] ** 2


@reward
def roll_pitch_rate(task: "WalkingTask") -> Float:
    """Squared, (rad/s)²."""
    return _squared(task.angular_velocity[:, :2])


@reward
def gait(task: "WalkingTask") -> Float:
    """Share of the feet whose contact is as the gait clock wants it, or as balance does."""
    right = (task.is_swing != task.contact) | task.recovers[:, None]
    return 0.5 * _both(right.astype(np.float64))


@reward
def swing_height(task: "WalkingTask") -> Float:
    """1 where the feet follow the clock's swing height, falling off over about 3 cm, and while
    the robot recovers its balance."""
    error = task.foot_height - task.swing_target
    return np.where(task.recovers, 1.0, 0.5 * _both(np.exp(error**2 / -(0.03**2))))


@reward
def foot_slip(task: "WalkingTask") -> Float:
    """Squared horizontal speed of feet in contact, (m/s)²."""
    horizontal = task.foot_velocity[:, :, :2]
    return _both(np.einsum("nfi,nfi->nf", horizontal, horizontal) * task.contact)


@reward
def foot_flat(task: "WalkingTask") -> Float:
    """How far the soles are from level, 1 - cos of their tilt."""
    return 2.0 - _both(task.foot_up)


@reward
def foot_impact(task: "WalkingTask") -> Float:
    """Contact force beyond 1.3 times the body's weight, in weights."""
    return _both(np.maximum(task.foot_force / task.weight - 1.3, 0.0))


@reward
def feet_close(task: "WalkingTask") -> Float:
    """How much nearer than 16 cm the feet are to each other sideways, m."""
    return np.maximum(0.16 - task.foot_spread, 0.0)


@reward
def posture(task: "WalkingTask") -> Float:
    """Weighted squared distance of the joints from where they rest in this gait, rad²."""
    return _squared(task.posture_error * task.posture_weight)


@reward
def stand_still(task: "WalkingTask") -> Float:
    """While standing: squared joint velocities and distance from the default pose."""
    unrest = 0.05 * _squared(task.joint_vel) + _squared(task.posture_error)
    return unrest * ~task.moving


@reward
def action_rate(task: "WalkingTask") -> Float:
    """Squared change of the action."""
    return _squared(task.change)


@reward
def action_jerk(task: "WalkingTask") -> Float:
    """Squared second difference of the action."""
    return _squared(task.change - task.previous_change)


@reward
def effort(task: "WalkingTask") -> Float:
    """Squared torques as shares of their limits."""
    return _squared(task.joint_torque * task.per_effort)


@reward
def speed_limit(task: "WalkingTask") -> Float:
    """Squared joint speeds as shares of their limits."""
    return _squared(task.joint_vel * task.per_velocity)


@reward
def position_limit(task: "WalkingTask") -> Float:
    """How far joints are inside the last 5 % of their range, rad."""
    beyond = np.abs(task.joint_pos - task.middle)
    beyond -= task.soft_reach
    return np.maximum(beyond, 0.0, out=beyond).sum(axis=1)
