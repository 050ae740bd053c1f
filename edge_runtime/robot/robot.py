"""The border to a robot: read a stamped sample, write a command. Everything is bound by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np

from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.robot.images import NO_IMAGES, Image
from edge_runtime.signals import Array, ImageSignal, Signal, Signals


@dataclass(frozen=True)
class RobotDescription:
    """What a robot has: actuators by name, in its own order, and the signals its sensors give.

    Signals that are per joint (`joint_pos`, `joint_vel`) come in the order of `joint_names`.
    """

    name: str
    joint_names: tuple[str, ...]
    signals: tuple[Signal, ...]
    # Those whose noise never repeats bit for bit, unless their sensor is frozen. None: the IMU's.
    live: tuple[str, ...] | None = None
    # Those that repeat bit for bit only at standstill, such as encoders: frozen if they repeat
    # while a speed among them (rad/s) is well above none.
    live_moving: tuple[str, ...] = ()
    # What an estimator must know of it; None where it has no legs, or no wheels.
    legged: LeggedRobotConfig | None = None
    wheeled: WheeledRobotConfig | None = None
    # What its cameras give, beside the sample.
    images: tuple[ImageSignal, ...] = ()

    @property
    def sample_size(self) -> int:
        """Numbers in a sample."""
        return sum(signal.size for signal in self.signals)

    def split(self, values: Array) -> dict[str, Array]:
        """Views on a sample's values by signal, (1, size)."""
        views, start = {}, 0
        for signal in self.signals:
            views[signal.name] = values[None, start : start + signal.size]
            start += signal.size
        return views

    def join(self, signals: Signals) -> Array:
        """A sample's values from signals, (1, size)."""
        return np.concatenate([signals[signal.name][0] for signal in self.signals])


class Sample(NamedTuple):
    """One reading of all sensors."""

    sequence: int  # grows by one with each control period; a gap is a lost sample
    # s, when it was measured, by a clock of the robot's that never goes back. It is not compared
    # with the loop's own clock; but a reading whose stamp has not advanced is not a new one.
    stamp: float
    values: Array  # all signals one after another, in the description's order; `split` parts them
    images: Mapping[str, Image] = NO_IMAGES  # the newest of each camera that has given one


class Mode(IntEnum):
    """What the actuators do with a command."""

    RUN = 0  # follow the target with the command's gains
    DAMP = 1  # no stiffness, damping only


class ActuatorCommand(NamedTuple):
    """One command to all actuators, in the robot's order; the arrays are the giver's."""

    sequence: int  # of the sample it answers
    mode: Mode
    target: Array  # (joints,) rad or rad/s by the actuator's mode
    stiffness: Array  # (joints,) Nm/rad
    damping: Array  # (joints,) Nm s/rad


class Robot(Protocol):
    """A robot as the control loop sees it; neither call blocks."""

    description: RobotDescription

    def read(self) -> Sample | None:
        """The newest sample, valid until the next call, or None before the first."""
        ...

    def write(self, command: ActuatorCommand) -> None:
        """Hand a command to the actuators; what is kept of it must be copied."""
        ...

    def close(self) -> None:
        """Let go of the robot."""
        ...
