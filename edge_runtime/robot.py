"""The border to a robot: read a stamped sample, write a command. Everything is bound by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from edge_runtime.signal import Array, Signal


@dataclass(frozen=True)
class RobotDescription:
    """What a robot has: actuators by name, in its own order, and the signals its sensors give.

    Signals that are per joint (`joint_pos`, `joint_vel`) come in the order of `joint_names`.
    """

    name: str
    joint_names: tuple[str, ...]
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class Sample:
    """One reading of all sensors."""

    sequence: int  # grows by one with each reading; a gap is a lost one, a repeat a frozen one
    stamp: float  # s, the robot's monotonic clock, when it was measured
    values: Mapping[str, Array]  # signal name -> (1, size)


class Mode(IntEnum):
    """What the actuators do with a command."""

    RUN = 0  # follow the target with the command's gains
    DAMP = 1  # no stiffness, damping only


@dataclass(frozen=True)
class ActuatorCommand:
    """One command to all actuators, in the robot's order."""

    sequence: int  # of the sample it answers
    mode: Mode
    target: Array  # (joints,) rad or rad/s by the actuator's mode
    stiffness: Array  # (joints,) Nm/rad
    damping: Array  # (joints,) Nm s/rad


class Robot(Protocol):
    """A robot as the control loop sees it; neither call blocks."""

    description: RobotDescription

    def read(self) -> Sample | None:
        """The newest sample, or None before the first."""

    def write(self, command: ActuatorCommand) -> None:
        """Hand a command to the actuators."""

    def close(self) -> None:
        """Let go of the robot."""
