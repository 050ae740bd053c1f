"""Computes reward terms of walking from a robot's own sensors, each (T,).

They are those of `sim.tasks.walking.rewards` as far as a robot can tell: the estimator's velocity
stands for the true one, and legs whose joints are measured for feet that are seen. What is the same
in both has the same name. Positive ones reward, the others are costs to weigh down.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.fusion.legged.kinematics import LegKinematics
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.observation.builder import TermConfig
from edge_runtime.observation.terms import TERMS
from edge_runtime.policy.contract import Contract
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    COMMAND,
    FOOT_FORCE,
    IMU_GYRO,
    JOINT_POS,
    JOINT_TORQUE,
    JOINT_VEL,
    LAST_ACTION,
    Bool,
    Float,
)

_SWINGS = 0.2  # of the clock's sine, from where on a foot should be in the air


@dataclass(frozen=True)
class WalkingFacts:
    """Says what walking is measured by, on one kind of robot."""

    weight: float = setting(unit="N", above=0)
    height: float = setting(unit="m", above=0)
    """Height of the IMU above the soles while walking."""
    feet_apart: float = setting(unit="m", at_least=0)
    """Distance to the side that the feet keep."""
    swing_height: float = setting(unit="m", at_least=0)
    """Height of a sole at mid swing."""
    leading: tuple[str, ...] = ()
    """Legs that swing in the first half of the gait cycle."""
    posture: tuple[float, ...] = ()
    """How much each joint should keep its default angle, in the policy's order."""


class WalkingSenses:
    """Computes from the signals of T steps what the terms read.

    Velocities are in the heading frame: x forward on the ground, y left, z up. A leg's points,
    such as heel and toe, are in the order of the robot's description.

    Args:
        steps: the steps.
        facts: what walking is measured by.
        contract: the policy's.
        legs: the robot's legs.

    Raises:
        UserError: the robot lacks a joint of its legs, or the policy has no gait clock.
    """

    def __init__(
        self, steps: Steps, facts: WalkingFacts, contract: Contract, legs: LeggedRobotConfig
    ) -> None:
        self.steps, self.facts, self.contract = steps, facts, contract
        rotation = rotation_matrix(steps.signal(ATTITUDE))
        heading = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
        level = _about_vertical(heading) @ rotation  # from the body to the heading frame
        gyro, velocity = steps.signal(IMU_GYRO), steps.signal(BASE_VELOCITY)
        self.velocity = _turned(level, velocity)
        self.rates = _turned(level, gyro)
        self.gravity = -rotation[:, 2]
        motion = np.column_stack([self.velocity[:, :2], self.rates[:, 2]])
        self.error = motion - steps.signal(COMMAND)
        self.joint_pos, self.joint_vel = steps.signal(JOINT_POS), steps.signal(JOINT_VEL)
        self.change = steps.change(steps.signal(LAST_ACTION))
        self.jerk = steps.change(self.change)
        self.force = steps.signal(FOOT_FORCE)
        self.contact = self.force > legs.contact.touch.force / 2
        self._find_feet(level, gyro, velocity, legs)
        self._read_clock(legs)

    def _find_feet(
        self, level: Float, gyro: Float, velocity: Float, legs: LeggedRobotConfig
    ) -> None:
        """Places the soles' points against the IMU, in the heading frame."""
        kinematics = LegKinematics(legs.legs, self.contract.joint_names)
        points, count = len(kinematics.leg_of_point), len(self.steps)
        at, speed = np.zeros((count, points, 3)), np.zeros((count, points, 3))
        for step in range(count):
            at[step] = kinematics.move(self.joint_pos[step])
            speed[step] = kinematics.jacobian @ self.joint_vel[step, kinematics.joints]
        speed += velocity[:, None] + np.cross(gyro[:, None], at)
        at, speed = (np.einsum("tij,tpj->tpi", level, of) for of in (at, speed))
        of_leg = [kinematics.leg_of_point == leg for leg in range(len(legs.legs))]
        self.height = -at[:, :, 2].min(axis=1)  # of the IMU above the lowest point
        self.foot_position = np.stack([at[:, of].mean(axis=1) for of in of_leg], axis=1)
        self.foot_velocity = np.stack([speed[:, of].mean(axis=1) for of in of_leg], axis=1)
        self.foot_rise = np.stack([np.ptp(at[:, of, 2], axis=1) for of in of_leg], axis=1)

    def _read_clock(self, legs: LeggedRobotConfig) -> None:
        """Reads which feet the gait clock wants in the air, and how high."""
        clock = next((t for t in self.contract.observations if t.name == "gait_clock"), None)
        if clock is None:
            raise UserError(f"the policy of {self.contract.task} has no gait clock to reward")
        sine_cosine = _evaluate(clock, self.steps)
        self.moving = (sine_cosine != 0).any(axis=1)
        turn = [1.0 if leg.name in self.facts.leading else -1.0 for leg in legs.legs]
        lift = sine_cosine[:, :1] * np.array(turn)
        self.is_swing: Bool = lift > _SWINGS
        self.swing_target = self.facts.swing_height * np.maximum(lift, 0.0)


def _about_vertical(angle: Float) -> Float:
    """Returns matrices that turn a heading (T,) forward, (T, 3, 3)."""
    matrices = np.zeros((len(angle), 3, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angle)
    matrices[:, 0, 1] = np.sin(angle)
    matrices[:, 1, 0] = -matrices[:, 0, 1]
    matrices[:, 2, 2] = 1.0
    return matrices


def _turned(matrices: Float, vectors: Float) -> Float:
    return np.einsum("tij,tj->ti", matrices, vectors)


def _evaluate(term: TermConfig, steps: Steps) -> Float:
    """Evaluates an observation term on the steps, (T, size)."""
    found = TERMS.find(term.name)
    read = (np.asarray(steps.signals[name], np.float32) for name in found.reads)
    return np.asarray(found.function(*read, **term.params), np.float64)


def _squared(vectors: Float) -> Float:
    return np.einsum("ti,ti->t", vectors, vectors)


def track_velocity(now: WalkingSenses) -> Float:
    """Gives 1 at the commanded forward and lateral velocity, falling off over about 0.3 m/s."""
    return np.exp(_squared(now.error[:, :2]) / -0.1)


def track_yaw_rate(now: WalkingSenses) -> Float:
    """Gives 1 at the commanded yaw rate, falling off over about 0.5 rad/s."""
    return np.exp(now.error[:, 2] ** 2 / -0.25)


def alive(now: WalkingSenses) -> Float:
    """Gives 1 for every step."""
    return np.ones(len(now.steps))


def fall(now: WalkingSenses) -> Float:
    """Gives 1 in the step in which the robot falls."""
    return now.steps.ended.astype(np.float64)


def tilt(now: WalkingSenses) -> Float:
    """Squares the horizontal part of gravity's direction in the body."""
    return _squared(now.gravity[:, :2])


def height(now: WalkingSenses) -> Float:
    """Squares the error of the IMU's height above the lower foot, m²."""
    return (now.height - now.facts.height) ** 2


def vertical_velocity(now: WalkingSenses) -> Float:
    """Squares the vertical velocity, (m/s)²."""
    return now.velocity[:, 2] ** 2


def roll_pitch_rate(now: WalkingSenses) -> Float:
    """Squares the angular velocity about the horizontal axes, (rad/s)²."""
    return _squared(now.rates[:, :2])


def gait(now: WalkingSenses) -> Float:
    """Gives the share of feet whose contact is as the gait clock wants it."""
    return (now.is_swing != now.contact).mean(axis=1)


def swing_height(now: WalkingSenses) -> Float:
    """Gives 1 to feet at the clock's swing height above the lower one, falling off over 3 cm."""
    heights = now.foot_position[:, :, 2] + now.height[:, None]
    return np.exp((heights - now.swing_target) ** 2 / -(0.03**2)).mean(axis=1)


def foot_slip(now: WalkingSenses) -> Float:
    """Squares the horizontal speed of feet in contact, (m/s)²."""
    speed = np.einsum("tfi,tfi->tf", now.foot_velocity[..., :2], now.foot_velocity[..., :2])
    return np.where(now.contact, speed, 0.0).sum(axis=1)


def foot_rise(now: WalkingSenses) -> Float:
    """Squares how much higher one end of a sole is than the other, m², summed over the feet."""
    return _squared(now.foot_rise)


def foot_impact(now: WalkingSenses) -> Float:
    """Sums the contact forces beyond 1.3 times the body's weight, in weights."""
    return np.maximum(now.force / now.facts.weight - 1.3, 0.0).sum(axis=1)


def feet_close(now: WalkingSenses) -> Float:
    """Gives how much nearer to each other sideways than they should two feet are, m."""
    apart = np.ptp(now.foot_position[:, :, 1], axis=1)
    return np.maximum(now.facts.feet_apart - apart, 0.0)


def posture(now: WalkingSenses) -> Float:
    """Squares the weighted distance of the joints from their default angles, rad²."""
    default = np.array([a.default for a in now.contract.actuators])
    return _squared((now.joint_pos - default) * np.sqrt(now.facts.posture))


def stand_still(now: WalkingSenses) -> Float:
    """Squares joint velocities and the distance from the default pose, while standing."""
    default = np.array([a.default for a in now.contract.actuators])
    unrest = 0.05 * _squared(now.joint_vel) + _squared(now.joint_pos - default)
    return np.where(now.moving, 0.0, unrest)


def action_rate(now: WalkingSenses) -> Float:
    """Squares the change of the action."""
    return _squared(now.change)


def action_jerk(now: WalkingSenses) -> Float:
    """Squares the second difference of the action."""
    return _squared(now.jerk)


def effort(now: WalkingSenses) -> Float:
    """Squares the torques as shares of their limits."""
    limits = np.array([a.max_effort for a in now.contract.actuators])
    return _squared(now.steps.signal(JOINT_TORQUE) / limits)


def speed_limit(now: WalkingSenses) -> Float:
    """Squares the joint speeds as shares of their limits."""
    return _squared(now.joint_vel / np.array([a.max_velocity for a in now.contract.actuators]))


WALKING: dict[str, Callable[[WalkingSenses], Float]] = {
    of.__name__: of
    for of in (
        *(track_velocity, track_yaw_rate, alive, fall, tilt, height, vertical_velocity),
        *(roll_pitch_rate, gait, swing_height, foot_slip, foot_rise, foot_impact, feet_close),
        *(posture, stand_still, action_rate, action_jerk, effort, speed_limit),
    )
}
_GAINS = ("track_velocity", "track_yaw_rate", "alive", "gait", "swing_height")
WALKING_COSTS = frozenset(WALKING) - frozenset(_GAINS)
