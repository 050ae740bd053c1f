"""Defines the interface to a robot: read a stamped sample, write a command; signals have names."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.robot.images import NO_IMAGES, Image
from edge_runtime.signals import Array, ImageSignal, Signal, Signals


@dataclass(frozen=True)
class RobotDescription:
    """Describes a robot: its joints in its own order, and the signals of its sensors.

    Signals that are per joint (`joint_pos`, `joint_vel`, `joint_torque`) come in the order of
    `joint_names`.
    """

    name: str
    joint_names: tuple[str, ...]
    signals: tuple[Signal, ...]
    # Signals with noise that never repeats bit for bit unless their sensor is frozen. None: the
    # IMU's signals.
    live: tuple[str, ...] | None = None
    # Signals that repeat bit for bit at standstill only, such as encoders'. They are frozen if they
    # repeat while a speed among them (rad/s) is well above 0.
    live_moving: tuple[str, ...] = ()
    # Geometry and noise for the estimators; None for a robot without legs, or without wheels.
    legged: LeggedRobotConfig | None = None
    wheeled: WheeledRobotConfig | None = None
    # Images of its cameras, which travel beside the sample.
    images: tuple[ImageSignal, ...] = ()

    @property
    def sample_size(self) -> int:
        """Returns how many numbers a sample has."""
        return sum(signal.size for signal in self.signals)

    def split(self, values: Array) -> dict[str, Array]:
        """Returns views of a sample's values by signal, (1, size) each."""
        views, start = {}, 0
        for signal in self.signals:
            views[signal.name] = values[None, start : start + signal.size]
            start += signal.size
        return views

    def join(self, signals: Signals) -> Array:
        """Joins signals, (1, size) each, to a sample's values, (sample_size,)."""
        return np.concatenate([signals[signal.name][0] for signal in self.signals])


class Sample(NamedTuple):
    """Holds one reading of all sensors."""

    sequence: int  # grows by one with each control period; a gap is a lost sample
    # When it was measured, s, by a clock of the robot that never goes back. It is not compared
    # with the loop's clock, but a sample whose stamp has not advanced is not a new one.
    stamp: float
    values: Array  # all signals, joined in the description's order, float32 (sample_size,)
    images: Mapping[str, Image] = NO_IMAGES  # the newest image of each camera, by name


class Mode(IntEnum):
    """Says how the actuators follow a command."""

    RUN = 0  # follow the target with the command's gains
    DAMP = 1  # no stiffness, damping only


class ActuatorCommand(NamedTuple):
    """Holds one command to all actuators, in the robot's order; the sender owns the arrays."""

    sequence: int  # of the sample that it answers
    mode: Mode
    target: Array  # (joints,) rad or rad/s by the actuator's mode
    stiffness: Array  # (joints,) Nm/rad
    damping: Array  # (joints,) Nm s/rad


class Robot(Protocol):
    """Reads samples and writes commands for the control loop; neither call blocks."""

    description: RobotDescription

    def read(self) -> Sample | None:
        """Returns the newest sample, or None before the first.

        It is valid until the next call, or that of `RehearsingRobot.rehearse`.
        """
        ...

    def write(self, command: ActuatorCommand) -> None:
        """Sends a command to the actuators; what is kept of it must be copied."""
        ...

    def close(self) -> None:
        """Disconnects from the robot."""
        ...


@runtime_checkable
class RehearsingRobot(Robot, Protocol):
    """Lets a rehearsal read it between two ticks, for `read` to be in the processor's caches.

    Its `read` only looks at what has arrived: it moves nothing, waits for nothing, loses nothing.
    """

    def rehearse(self) -> None:
        """Does the work of a `read`; the next one returns what it would have without."""
        ...
