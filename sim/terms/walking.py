"""Reward terms of walking, each (N,); positive ones reward, the others are costs to weigh down."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sim.engines.mujoco_cpu import Float

if TYPE_CHECKING:
    from sim.tasks.humanoid_velocity import WalkingTask

TERMS: dict[str, Callable[["WalkingTask"], Float]] = {}


def reward(function: Callable[["WalkingTask"], Float]) -> Callable[["WalkingTask"], Float]:
    """Register a term under its function's name."""
    TERMS[function.__name__] = function
    return function


@reward
def track_velocity(task: "WalkingTask") -> Float:
    """1 at the commanded forward and lateral velocity, falling off over about 0.3 m/s."""
    error = ((task.velocity[:, :2] - task.command[:, :2]) ** 2).sum(axis=1)
    return np.exp(-error / 0.1)


@reward
def track_yaw_rate(task: "WalkingTask") -> Float:
    """1 at the commanded yaw rate, falling off over about 0.4 rad/s."""
    return np.exp(-((task.yaw_rate - task.command[:, 2]) ** 2) / 0.16)


@reward
def alive(task: "WalkingTask") -> Float:
    """1 for every step."""
    return np.ones(task.engine.rows)


@reward
def tilt(task: "WalkingTask") -> Float:
    """Squared horizontal part of gravity in the pelvis frame and of the torso's."""
    return (task.gravity[:, :2] ** 2).sum(axis=1)


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
    return (task.angular_velocity[:, :2] ** 2).sum(axis=1)


@reward
def gait(task: "WalkingTask") -> Float:
    """Share of the feet whose contact is as the gait clock wants it."""
    wanted = np.where(task.is_swing, ~task.contact, task.contact)
    return wanted.mean(axis=1)


@reward
def swing_height(task: "WalkingTask") -> Float:
    """1 where the feet follow the clock's swing height, falling off over about 3 cm."""
    error = task.foot_position[:, :, 2] - task.swing_target
    return np.exp(-(error**2) / 0.03**2).mean(axis=1)


@reward
def foot_slip(task: "WalkingTask") -> Float:
    """Squared horizontal speed of feet in contact, (m/s)²."""
    speed = (task.foot_velocity[:, :, :2] ** 2).sum(axis=2)
    return (speed * task.contact).sum(axis=1)


@reward
def foot_flat(task: "WalkingTask") -> Float:
    """How far the soles are from level, 1 - cos of their tilt."""
    return (1.0 - task.foot_up).sum(axis=1)


@reward
def foot_impact(task: "WalkingTask") -> Float:
    """Contact force beyond 1.3 times the body's weight, in weights."""
    return np.maximum(task.foot_force / task.weight - 1.3, 0.0).sum(axis=1)


@reward
def feet_close(task: "WalkingTask") -> Float:
    """How much nearer than 16 cm the feet are to each other sideways, m."""
    return np.maximum(0.16 - task.foot_spread, 0.0)


@reward
def posture(task: "WalkingTask") -> Float:
    """Weighted squared distance of the joints from where they rest in this gait, rad²."""
    return (task.posture_error**2 * task.posture_weight).sum(axis=1)


@reward
def stand_still(task: "WalkingTask") -> Float:
    """While standing: squared joint velocities and distance from the default pose."""
    unrest = 0.05 * (task.joint_vel**2).sum(axis=1) + (task.posture_error**2).sum(axis=1)
    return unrest * ~task.moving


@reward
def action_rate(task: "WalkingTask") -> Float:
    """Squared change of the action."""
    return ((task.action - task.previous_action) ** 2).sum(axis=1)


@reward
def action_jerk(task: "WalkingTask") -> Float:
    """Squared second difference of the action."""
    second = task.action - 2 * task.previous_action + task.action_before_previous
    return (second**2).sum(axis=1)


@reward
def effort(task: "WalkingTask") -> Float:
    """Squared torques as shares of their limits."""
    return ((task.joint_torque / task.max_effort) ** 2).sum(axis=1)


@reward
def speed_limit(task: "WalkingTask") -> Float:
    """Squared joint speeds as shares of their limits."""
    return ((task.joint_vel / task.max_velocity) ** 2).sum(axis=1)


@reward
def position_limit(task: "WalkingTask") -> Float:
    """How far joints are inside the last 5 % of their range, rad."""
    below = np.maximum(task.soft_lower - task.joint_pos, 0.0)
    above = np.maximum(task.joint_pos - task.soft_upper, 0.0)
    return (below + above).sum(axis=1)
