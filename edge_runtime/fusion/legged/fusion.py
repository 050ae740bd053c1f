"""Gives the control loop attitude and velocity of a legged robot, by the legged filter."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.fusion import (
    ATTITUDE_SIGNAL,
    UPRIGHT,
    imu_signals,
    shows_vertical,
)
from edge_runtime.fusion.compiled import compiling
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.legged.config import LeggedRobotConfig
from edge_runtime.fusion.legged.contact import ContactProbability, TorqueForces
from edge_runtime.fusion.legged.filter import LeggedFilter
from edge_runtime.fusion.legged.kinematics import LegKinematics
from edge_runtime.fusion.measurement import Feet, Imu
from edge_runtime.fusion.warm_up import write_imu_at_rest
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    FOOT_FORCE,
    IMU_ACCEL,
    IMU_BURST,
    IMU_GYRO,
    JOINT_POS,
    JOINT_TORQUE,
    Array,
    Signal,
    Signals,
)

_COMPILING = 60  # samples
_HISTORY = 4  # events kept: nothing comes late here, and more would fill the processor's cache
BASE_VELOCITY_SIGNAL = Signal(BASE_VELOCITY, 3, "m/s", "body")


class LeggedFusion:
    """Runs one `LeggedFilter` for each row, fed with the samples of a control loop.

    Every sub-sample of the IMU's burst is integrated at its own time; encoders and soles correct
    at the time of the last. All points of a sole share its probability of contact.

    The start is that of `AttitudeFusion`: upright if the first reading shows no vertical, and after
    a reset lost until one does.

    Args:
        config: the robot.
        joint_names: in the order of `joint_pos`.
        control_period: s between two samples.
        burst: IMU sub-samples in one sample's `imu_burst`; 0 if the robot gives none.
        rows: robots.
        witnesses: the signals that show the load of a foot: `foot_force`, `joint_torque`, or both.

    Raises:
        UserError: the legs do not have the points that the filter's config counts on.
        ValueError: there is no witness.
    """

    provides: tuple[Signal, ...] = (ATTITUDE_SIGNAL, BASE_VELOCITY_SIGNAL)

    def __init__(
        self,
        config: LeggedRobotConfig,
        joint_names: Sequence[str],
        control_period: float,
        burst: int = 0,
        rows: int = 1,
        witnesses: Collection[str] = (FOOT_FORCE,),
    ) -> None:
        loads = (
            Signal(FOOT_FORCE, len(config.legs), "N", "foot"),
            Signal(JOINT_TORQUE, len(joint_names), "Nm"),
        )
        self.reads: tuple[Signal, ...] = (
            Signal(JOINT_POS, len(joint_names), "rad"),
            *(signal for signal in loads if signal.name in witnesses),
            *imu_signals(burst),
        )
        self._touch, self._torque = FOOT_FORCE in witnesses, JOINT_TORQUE in witnesses
        if not (self._touch or self._torque):
            raise ValueError(f"contact needs '{FOOT_FORCE}' or '{JOINT_TORQUE}'")
        _check_points(config)
        self._burst, self._parts = burst, max(burst, 1)
        self._period = control_period
        estimator = replace(config.estimator, history=_HISTORY)
        self._filters = [LeggedFilter(estimator) for _ in range(rows)]
        self._legs = LegKinematics(config.legs, joint_names)
        self._forces = TorqueForces(self._legs, config.contact.damping)
        self._contacts = [ContactProbability(config.contact, len(config.legs)) for _ in range(rows)]
        self._imu = np.zeros((self._parts, 6))
        self._attitude = np.zeros((rows, 4), np.float32)
        self._attitude[:, 0] = 1.0
        self._velocity = np.zeros((rows, 3), np.float32)
        self.estimates: Mapping[str, Array] = {
            ATTITUDE: self._attitude,
            BASE_VELOCITY: self._velocity,
        }
        self._reasons = [""] * rows  # for which each is not good
        self._time = np.zeros(rows)  # s, of each row's last sample
        self._fresh = np.ones(rows, bool)
        self._ran = np.zeros(rows, bool)  # whether they were ever started
        self.lost = False

    @classmethod
    @cache
    def compile(
        cls,
        config: LeggedRobotConfig,
        joint_names: Sequence[str],
        control_period: float,
        burst: int = 0,
        witnesses: Collection[str] = (FOOT_FORCE,),
    ) -> None:
        """Compiles everything before the first tick, by a synthetic robot that stands and flies."""
        with compiling("the legged estimator", _COMPILING):
            cls._warm_up(cls(config, joint_names, control_period, burst, witnesses=witnesses))

    @staticmethod
    def _warm_up(robot: "LeggedFusion") -> None:
        signals = {s.name: np.zeros((1, s.size), np.float32) for s in robot.reads}
        rng = np.random.default_rng(0)
        for step in range(_COMPILING):
            standing = step < _COMPILING // 3 or step > 2 * _COMPILING // 3
            write_imu_at_rest(signals, rng)
            if FOOT_FORCE in signals:
                signals[FOOT_FORCE][:] = 400.0 if standing else 0.0
            # Once, the IMU is silent for so long that all is unknown.
            robot.update(signals, 1 if step != _COMPILING // 2 else math.ceil(1.0 / robot._period))
        _ = robot.states  # recording asks for them in the first tick

    @property
    def reason(self) -> str:
        if self._fresh.any():
            return "no reading shows the vertical yet"
        return "; ".join({reason: None for reason in self._reasons if reason})

    @property
    def states(self) -> Sequence[Estimate]:
        """Returns the newest estimate of each row."""
        return [estimator.estimate for estimator in self._filters]

    def reset(self, rows: np.ndarray | None = None) -> None:
        self._fresh[slice(None) if rows is None else rows] = True

    def update(self, signals: Signals, periods: int = 1) -> Mapping[str, Array]:
        lost = False
        for row, estimator in enumerate(self._filters):
            self._read_imu(signals, row)
            if self._fresh[row]:
                if not self._begin(row):
                    lost = True
                    continue
            else:
                self._time[row] += periods * self._period
                self._integrate(estimator, float(self._time[row]))
            estimator.update(self._feet(signals, row))
            summary, health, self._reasons[row] = estimator.summary()
            lost |= health is Health.LOST
            self._attitude[row] = summary[:4]
            self._velocity[row] = summary[4:]
        self.lost = lost
        return self.estimates

    def close(self) -> None:
        pass

    def _read_imu(self, signals: Signals, row: int) -> None:
        if self._burst:
            self._imu.reshape(-1)[:] = signals[IMU_BURST][row]
        else:
            self._imu[0, :3] = signals[IMU_GYRO][row]
            self._imu[0, 3:] = signals[IMU_ACCEL][row]

    def _begin(self, row: int) -> bool:
        """Starts from the mean reading of the first sample; False if it must wait for another."""
        estimator, mean = self._filters[row], self._imu.mean(axis=0)
        down = bool(shows_vertical(mean[None, 3:])[0])
        if not down and self._ran[row]:
            return False
        estimator.reset()
        self._contacts[row].reset()
        self._time[row] = 0.0
        # The first reading gives the tilt; in flight, or struck, it would give any.
        estimator.predict(Imu(0.0, mean[:3], mean[3:] if down else UPRIGHT))
        self._fresh[row] = False
        self._ran[row] = True
        return True

    def _integrate(self, estimator: LeggedFilter, now: float) -> None:
        estimator.predict_burst(self._imu, now, self._period / self._parts)

    def _feet(self, signals: Signals, row: int) -> Feet:
        legs = self._legs
        positions = legs.move(signals[JOINT_POS][row])
        by_torque = None
        if self._torque:
            by_torque = self._forces.update(signals[JOINT_TORQUE][row], self._attitude[row])
        contact = self._contacts[row].update(
            signals[FOOT_FORCE][row] if self._touch else None, by_torque
        )
        return Feet(float(self._time[row]), positions, contact[legs.leg_of_point])


def _check_points(config: LeggedRobotConfig) -> None:
    """Raises `UserError` unless the filter's feet are all points of all legs."""
    feet, points = config.estimator.feet, config.estimator.points
    for leg in config.legs:
        if len(leg.points) != points:
            raise UserError(
                f"leg '{leg.name}' has {len(leg.points)} points, the legged estimator counts on "
                f"{points} a sole; set LeggedConfig.points to what every leg has, 1 or 2"
            )
    if len(config.legs) * points != feet:
        raise UserError(
            f"{len(config.legs)} legs of {points} points are {len(config.legs) * points} points, "
            f"the legged estimator counts on {feet}; describe every leg, or set LeggedConfig.feet "
            f"to {len(config.legs) * points}"
        )
