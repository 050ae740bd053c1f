"""Computes the reward terms of walking, each (N,); positive ones reward, the others are costs to
weigh down."""

from dataclasses import dataclass

from edge_runtime.signals import Array, Float
from sim.tasks.reward_terms import RewardTerms
from sim.tasks.walking.state import WalkingState


@dataclass(frozen=True)
class WalkingRewards:
    """Weighs each term below, per second; costs are negative."""

    track_velocity: float = 3.0
    track_yaw_rate: float = 3.0
    velocity_drift: float = 0.0
    yaw_drift: float = 0.0
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


reward: RewardTerms[WalkingState] = RewardTerms()


def sliding(now: WalkingState) -> Float:
    """Averages the horizontal speed of the feet that touch the ground, (N,) m/s; 0 without one."""
    xp, contact = now.xp, now.contact
    speed = xp.sqrt(xp.sum(now.foot_velocity[:, :, :2] ** 2, axis=2))
    touching = xp.maximum(xp.sum(contact, axis=1), 1)
    return xp.sum(xp.where(contact, speed, 0.0), axis=1) / touching


def _squared(now: WalkingState, vectors: Float | Array) -> Float:
    """Gives the squared length of each row, (N, n) -> (N,)."""
    return now.xp.einsum("ni,ni->n", vectors, vectors)


def _of_feet(values: Float) -> Float:
    """Sums a value over the feet, (N, F) -> (N,)."""
    total = values[:, 0]  # column by column: a reduction over a short axis takes longer
    for foot in range(1, values.shape[1]):
        total = total + values[:, foot]
    return total


@reward
def track_velocity(now: WalkingState) -> Float:
    """Gives 1 at the commanded forward and lateral velocity, falling off over about 0.3 m/s."""
    return now.xp.exp(_squared(now, now.error[:, :2]) / -0.1)


@reward
def track_yaw_rate(now: WalkingState) -> Float:
    """Gives 1 at the commanded yaw rate, falling off over about 0.5 rad/s."""
    return now.xp.exp(now.error[:, 2] ** 2 / -0.25)


@reward
def velocity_drift(now: WalkingState) -> Float:
    """Gives the error of the velocity's mean over a stride, m/s; 0 while it recovers.

    The tracking rewards hardly tell a steady error from the sway of every step.
    """
    xp = now.xp
    return xp.where(now.recovers, 0.0, xp.sqrt(_squared(now, now.drift[:, :2])))


@reward
def yaw_drift(now: WalkingState) -> Float:
    """Gives the error of the yaw rate's mean over a stride, rad/s; 0 while it recovers."""
    return now.xp.where(now.recovers, 0.0, now.xp.abs(now.drift[:, 2]))


@reward
def alive(now: WalkingState) -> Float:
    """Gives 1 for every step."""
    return now.xp.ones_like(now.height)


@reward
def tilt(now: WalkingState) -> Float:
    """Squares the horizontal part of gravity's direction in the body."""
    return _squared(now, now.gravity[:, :2])


@reward
def height(now: WalkingState) -> Float:
    """Squares the error of the IMU's height, m²."""
    return (now.height - now.robot.nominal_height) ** 2


@reward
def vertical_velocity(now: WalkingState) -> Float:
    """Squares the vertical velocity, (m/s)²."""
    return now.velocity[:, 2] ** 2


@reward
def roll_pitch_rate(now: WalkingState) -> Float:
    """Squares the angular velocity about the horizontal axes, (rad/s)²."""
    return _squared(now, now.angular_velocity[:, :2])


@reward
def gait(now: WalkingState) -> Float:
    """Gives the share of feet whose contact is as the gait clock wants it, or as balance does."""
    right = (now.is_swing != now.contact) | now.recovers[:, None]
    return _of_feet(now.xp.where(right, now.robot.per_foot, 0.0))


@reward
def swing_height(now: WalkingState) -> Float:
    """Gives 1 to feet at the clock's swing height, falling off over about 3 cm; 1 in recovery."""
    error = now.foot_height - now.swing_target
    follows = _of_feet(now.xp.exp(error**2 / -(0.03**2))) / error.shape[1]
    return now.xp.where(now.recovers, 1.0, follows)


@reward
def foot_slip(now: WalkingState) -> Float:
    """Squares the horizontal speed of feet in contact, (m/s)²."""
    horizontal = now.foot_velocity[:, :, :2]
    speed = now.xp.einsum("nfi,nfi->nf", horizontal, horizontal)
    return _of_feet(now.xp.where(now.contact, speed, 0.0))


@reward
def foot_flat(now: WalkingState) -> Float:
    """Sums how far the soles are from level, 1 - cos of their tilt."""
    return now.foot_up.shape[1] - _of_feet(now.foot_up)


@reward
def foot_impact(now: WalkingState) -> Float:
    """Sums the contact forces beyond 1.3 times the body's weight, in weights."""
    return _of_feet(now.xp.maximum(now.foot_force / now.robot.weight - 1.3, 0.0))


@reward
def feet_close(now: WalkingState) -> Float:
    """Sums how much nearer to each other sideways than they should the feet of a pair are, m."""
    return _of_feet(now.xp.maximum(now.robot.feet_apart - now.foot_spread, 0.0))


@reward
def posture(now: WalkingState) -> Float:
    """Squares the weighted distance of the joints from where they rest in this gait, rad²."""
    return _squared(now, now.posture_error * now.robot.posture_weight)


@reward
def stand_still(now: WalkingState) -> Float:
    """Squares joint velocities and the distance from the default pose, while standing."""
    unrest = 0.05 * _squared(now, now.joint_vel) + _squared(now, now.posture_error)
    return now.xp.where(now.moving, 0.0, unrest)


@reward
def action_rate(now: WalkingState) -> Float:
    """Squares the change of the action."""
    return _squared(now, now.change)


@reward
def action_jerk(now: WalkingState) -> Float:
    """Squares the second difference of the action."""
    return _squared(now, now.change - now.previous_change)


@reward
def effort(now: WalkingState) -> Float:
    """Squares the torques as shares of their limits."""
    return _squared(now, now.joint_torque * now.robot.per_effort)


@reward
def speed_limit(now: WalkingState) -> Float:
    """Squares the joint speeds as shares of their limits."""
    return _squared(now, now.joint_vel * now.robot.per_velocity)


@reward
def position_limit(now: WalkingState) -> Float:
    """Sums how far joints are inside the last 5 % of their range, rad."""
    beyond = now.xp.abs(now.joint_pos - now.robot.middle)
    beyond -= now.robot.soft_reach
    return now.xp.sum(now.xp.maximum(beyond, 0.0), axis=1)
