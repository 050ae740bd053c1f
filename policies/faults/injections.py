"""Injects what goes wrong with a robot or its loop, from a moment on."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_runtime.loop.budget import Stage
from edge_runtime.robot.sensors import IMU_SIGNALS
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, Array, Signals

_READING = 6  # entries of a reading in a burst


class Victim(Protocol):
    """Lists what an injection may touch, beside the samples."""

    noise: dict[str, float]  # standard deviation by signal, in its unit; of its mean for an IMU
    rng: np.random.Generator
    max_tilt: float  # rad

    @property
    def tilt(self) -> float:
        """Returns the true angle from upright, rad."""
        ...

    def weaken(self, actuator: str, strength: float) -> None:
        """Leaves an actuator this share of its torque."""
        ...

    def push_over(self, pushed: bool) -> None:
        """Turns the body about its forward axis, by a torque that tips it over, or lets go."""
        ...


class Injection:
    """Changes nothing; each kind of fault overrides what it touches. Times are s since it
    struck."""

    at_rest = False  # whether it is there from the start, on a robot that rests on a stand

    def strike(self, victim: Victim) -> None:
        """Acts once, between the last good tick and the first that meets the fault."""

    def advance(self, victim: Victim) -> None:
        """Acts after each control period from then on."""

    def corrupt(self, signals: Signals, good: Signals, since: float, victim: Victim) -> None:
        """Changes a sample's signals in place.

        Args:
            signals: what the sensors read now, (1, size) each, to be written to.
            good: the last sample before the fault.
            since: the time.
            victim: the robot whose sample it is.
        """

    def silent(self, since: float) -> bool:
        """Returns whether the robot gives no new sample."""
        return False

    def stamp(self, stamp: float, good: float) -> float:
        """Returns the stamp the sample carries; `good` is that of the last one before the fault."""
        return stamp

    def late(self, tick: int, period: float) -> float:
        """Returns by how much this tick since the fault begins late, s."""
        return 0.0

    def hangs(self, tick: int) -> float:
        """Returns how long the robot's `read` blocks in this tick, s."""
        return 0.0

    def takes(self, stage: Stage, period: float) -> float:
        """Returns by how much longer a stage takes in each tick, s."""
        return 0.0

    def act(self, action: Array) -> None:
        """Changes what the network gives, (1, A), in place."""

    def command(self, command: Array) -> Array:
        """Returns what the operator asks for, (commands,), in place of `command`."""
        return command


@dataclass(frozen=True)
class Frozen(Injection):
    """Makes sensors repeat what they read last, under new numbers and stamps."""

    sensors: tuple[str, ...]

    def corrupt(self, signals: Signals, good: Signals, since: float, victim: Victim) -> None:
        for name in self.sensors:
            signals[name][:] = good[name]


@dataclass(frozen=True)
class Absent(Injection):
    """Gives NaN for a sensor for a while, as a driver does that has nothing of it."""

    sensors: tuple[str, ...]
    seconds: float = math.inf

    def corrupt(self, signals: Signals, good: Signals, since: float, victim: Victim) -> None:
        if since <= self.seconds:
            for name in self.sensors:
                signals[name][:] = np.nan


@dataclass(frozen=True)
class Noisy(Injection):
    """Adds white noise, so many times that of the sensor in good health."""

    sensors: tuple[str, ...]
    times: float = 10.0

    def corrupt(self, signals: Signals, good: Signals, since: float, victim: Victim) -> None:
        for name in self.sensors:
            if name not in IMU_SIGNALS:
                self._add(signals[name], victim.noise[name], victim.rng)
        if IMU_BURST in self.sensors:
            burst = signals[IMU_BURST].reshape(-1, _READING)
            for name, part in ((IMU_GYRO, burst[:, :3]), (IMU_ACCEL, burst[:, 3:])):
                self._add(part, victim.noise[name] * math.sqrt(len(burst)), victim.rng)
                signals[name][0] = part.mean(axis=0)

    def _add(self, values: Array, std: float, rng: np.random.Generator) -> None:
        more = std * math.sqrt(self.times**2 - 1)
        values += (more * rng.standard_normal(values.shape)).astype(np.float32)


@dataclass(frozen=True)
class Silent(Injection):
    """Withholds new samples for a while."""

    seconds: float = math.inf

    def silent(self, since: float) -> bool:
        return since <= self.seconds


@dataclass(frozen=True)
class OldStamp(Injection):
    """Gives new numbers to an old reading: the stamp stands still."""

    def stamp(self, stamp: float, good: float) -> float:
        return good


@dataclass(frozen=True)
class Late(Injection):
    """Makes ticks begin so late that whole periods are missed, as if something else had the
    processor."""

    periods: int
    every: int = 0  # ticks; 0: once

    def late(self, tick: int, period: float) -> float:
        due = tick == 0 if self.every == 0 else tick % self.every == 0
        return (self.periods + 0.5) * period if due else 0.0


@dataclass(frozen=True)
class Hung(Injection):
    """Blocks one call of the driver's `read` for so long."""

    seconds: float

    def hangs(self, tick: int) -> float:
        return self.seconds if tick == 0 else 0.0


@dataclass(frozen=True)
class Slow(Injection):
    """Makes a stage of each tick take a share of the period more."""

    stage: Stage
    share: float

    def takes(self, stage: Stage, period: float) -> float:
        return self.share * period if stage is self.stage else 0.0


@dataclass(frozen=True)
class Weak(Injection):
    """Leaves an actuator only a share of its torque; none at 0."""

    actuator: str
    strength: float

    def strike(self, victim: Victim) -> None:
        victim.weaken(self.actuator, self.strength)


@dataclass(frozen=True)
class BadAction(Injection):
    """Makes the network give this for its first action."""

    value: float

    def act(self, action: Array) -> None:
        action[0, 0] = self.value


@dataclass(frozen=True)
class BadCommand(Injection):
    """Makes the operator's station send NaN."""

    def command(self, command: Array) -> Array:
        return np.full_like(command, np.nan)


@dataclass(frozen=True)
class WrongUnit(Injection):
    """Gives a sensor of the IMU in another unit, from the start."""

    at_rest = True
    sensor: str  # IMU_GYRO or IMU_ACCEL
    factor: float

    def corrupt(self, signals: Signals, good: Signals, since: float, victim: Victim) -> None:
        signals[self.sensor][:] *= self.factor
        burst = signals[IMU_BURST].reshape(-1, _READING)
        burst[:, :3] *= self.factor if self.sensor == IMU_GYRO else 1.0
        burst[:, 3:] *= self.factor if self.sensor == IMU_ACCEL else 1.0


@dataclass(frozen=True)
class Toppled(Injection):
    """Turns the robot over."""

    def advance(self, victim: Victim) -> None:
        victim.push_over(victim.tilt < 1.2 * victim.max_tilt)
