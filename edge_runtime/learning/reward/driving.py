"""Computes reward terms of driving from a car's own sensors, each (T,).

Those of `sim.tasks.driving.rewards` need a map and the true velocity. These tell the same of what
wheels, lidar and IMU measure. `progress` rewards, the others are costs to weigh down.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.learning.reward.steps import Steps
from edge_runtime.signals import IMU_ACCEL, IMU_GYRO, LAST_ACTION, LIDAR, WHEEL_SPEED, Float

_RAYS = 3  # nearest beams that are averaged, for one alone may be noise
_CREEP = 0.3  # m/s that a tyre may slip without cost


@dataclass(frozen=True)
class DrivingFacts:
    """Says what driving is measured by, on one kind of car."""

    room: float = setting(unit="m", above=0)
    """Distance to a wall from which on being near is a cost."""
    reach: float = setting(unit="m", at_least=0)
    """Distance from the lidar to the car's outline at its sides."""


class DrivingSenses:
    """Computes from the signals of T steps what the terms read.

    Args:
        steps: the steps.
        facts: what driving is measured by.
        car: the car's wheels.
    """

    def __init__(self, steps: Steps, facts: DrivingFacts, car: WheeledRobotConfig) -> None:
        self.steps = steps
        places = np.array(car.estimator.wheels)
        front = places[:, 0] > places[:, 0].mean()
        speeds = steps.signal(WHEEL_SPEED) * car.wheel_radius  # m/s
        self.yaw_rate = steps.signal(IMU_GYRO)[:, 2]
        # The front wheels are not driven. Each is as fast as its place on the car.
        turning = self.yaw_rate[:, None] * places[:, 1]
        self.speed = (speeds + turning)[:, front].mean(axis=1)
        self.slip = (speeds + turning)[:, ~front] - self.speed[:, None]
        near = np.sort(steps.signal(LIDAR), axis=1)[:, :_RAYS].mean(axis=1) - facts.reach
        self.closeness = np.clip(1.0 - near / facts.room, 0.0, 1.0)
        self.sideways = steps.signal(IMU_ACCEL)[:, 1]
        self.change = steps.change(steps.signal(LAST_ACTION))


def progress(now: DrivingSenses) -> Float:
    """Gives the speed by the wheels that are not driven, m/s."""
    return now.speed


def wall_proximity(now: DrivingSenses) -> Float:
    """Grows from 0 with room to the walls to 1 at touching, squared."""
    return now.closeness**2


def wheel_slip(now: DrivingSenses) -> Float:
    """Squares the speed of the faster slipping rear tyre beyond 0.3 m/s, m²/s²."""
    return np.maximum(np.abs(now.slip).max(axis=1) - _CREEP, 0.0) ** 2


def sideways_drift(now: DrivingSenses) -> Float:
    """Squares the sideways acceleration that turning at this speed does not explain, (m/s²)²."""
    return (now.sideways - now.speed * now.yaw_rate) ** 2


def lateral_acceleration(now: DrivingSenses) -> Float:
    """Squares the sideways specific force, (m/s²)²."""
    return now.sideways**2


def steering_rate(now: DrivingSenses) -> Float:
    """Squares the change of the steering action."""
    return now.change[:, 0] ** 2


def drive_rate(now: DrivingSenses) -> Float:
    """Squares the change of the drive action."""
    return now.change[:, 1] ** 2


def crash(now: DrivingSenses) -> Float:
    """Gives 1 in the step in which the car crashes, rolls over or is stuck."""
    return now.steps.ended.astype(np.float64)


DRIVING: dict[str, Callable[[DrivingSenses], Float]] = {
    of.__name__: of
    for of in (
        *(progress, wall_proximity, wheel_slip, sideways_drift, lateral_acceleration),
        *(steering_rate, drive_rate, crash),
    )
}
DRIVING_COSTS = frozenset(DRIVING) - {"progress"}
