"""Reward terms of driving, each (N,); positive ones reward, the others are costs to weigh down."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sim.engines.engine import Float

if TYPE_CHECKING:
    from sim.tasks.driving.config import DrivingTask

TERMS: dict[str, Callable[["DrivingTask"], Float]] = {}


def reward(function: Callable[["DrivingTask"], Float]) -> Callable[["DrivingTask"], Float]:
    """Register a term under its function's name."""
    TERMS[function.__name__] = function
    return function


@reward
def progress(task: "DrivingTask") -> Float:
    """Speed along the centre line, m/s."""
    return task.progress / task.config.control_period


@reward
def wall_proximity(task: "DrivingTask") -> Float:
    """0 with `room` to the walls, 1 at touching, squared between."""
    room = task.config.room
    return np.clip(1.0 - task.position.clearance / room, 0.0, 1.0) ** 2


@reward
def wheel_slip(task: "DrivingTask") -> Float:
    """Squared speed of the rear tyres over the ground along the car beyond 0.3 m/s, (m/s)²."""
    return np.maximum(np.abs(task.wheel_slip) - 0.3, 0.0).max(axis=1) ** 2


@reward
def sideslip(task: "DrivingTask") -> Float:
    """Squared sideways speed of the rear axle, (m/s)²."""
    return task.velocity[:, 1] ** 2


@reward
def steering_rate(task: "DrivingTask") -> Float:
    """Squared change of the steering action."""
    return (task.action[:, 0] - task.previous_action[:, 0]).astype(np.float64) ** 2


@reward
def drive_rate(task: "DrivingTask") -> Float:
    """Squared change of the drive action."""
    return (task.action[:, 1] - task.previous_action[:, 1]).astype(np.float64) ** 2


@reward
def crash(task: "DrivingTask") -> Float:
    """1 in the step the car leaves the track, rolls over or is stuck."""
    return task.terminated().astype(np.float64)
