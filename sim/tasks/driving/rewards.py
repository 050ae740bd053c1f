"""Computes the reward terms of driving, each (N,); positive ones reward, the others are costs to
weigh down."""

from dataclasses import dataclass

from edge_runtime.signals import Float
from sim.tasks.driving.state import DrivingState
from sim.tasks.reward_terms import RewardTerms


@dataclass(frozen=True)
class DrivingRewards:
    """Weighs each term below, per second; costs are negative."""

    progress: float = 1.0
    wall_proximity: float = -4.0
    wheel_slip: float = -0.05
    sideslip: float = -1.0
    steering_rate: float = -1.0
    drive_rate: float = -0.3
    crash: float = -2000.0  # 80 for each, for it lasts one control period


reward: RewardTerms[DrivingState] = RewardTerms()


@reward
def progress(now: DrivingState) -> Float:
    """Gives the speed along the centre line, m/s."""
    return now.progress / now.control_period


@reward
def wall_proximity(now: DrivingState) -> Float:
    """Grows from 0 with `room` to the walls to 1 at touching, squared."""
    return now.xp.clip(1.0 - now.clearance / now.room, 0.0, 1.0) ** 2


@reward
def wheel_slip(now: DrivingState) -> Float:
    """Squares the speed of the faster slipping rear tyre over the ground beyond 0.3 m/s, m²/s²."""
    xp = now.xp
    left, right = xp.abs(now.wheel_slip[:, 0]), xp.abs(now.wheel_slip[:, 1])
    return xp.maximum(xp.maximum(left, right) - 0.3, 0.0) ** 2


@reward
def sideslip(now: DrivingState) -> Float:
    """Squares the sideways speed of the rear axle, (m/s)²."""
    return now.velocity[:, 1] ** 2


@reward
def steering_rate(now: DrivingState) -> Float:
    """Squares the change of the steering action."""
    return now.change[:, 0] ** 2


@reward
def drive_rate(now: DrivingState) -> Float:
    """Squares the change of the drive action."""
    return now.change[:, 1] ** 2


@reward
def crash(now: DrivingState) -> Float:
    """Gives 1 in the step in which the car leaves the track, rolls over or is stuck, else 0."""
    return now.crashed
