"""Gives the control loop attitude, velocity and position of a car, by the wheeled filter."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from edge_runtime.fusion.attitude.fusion import ATTITUDE_SIGNAL, imu_signals
from edge_runtime.fusion.compiled import compiling
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.measurement import GnssFix, Imu, Wheels
from edge_runtime.fusion.warm_up import write_imu_at_rest
from edge_runtime.fusion.wheeled.config import WheeledRobotConfig
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometry
from edge_runtime.signals import (
    ATTITUDE,
    BASE_VELOCITY,
    GNSS_POSITION,
    GNSS_VELOCITY,
    IMU_ACCEL,
    IMU_BURST,
    IMU_GYRO,
    LIDAR,
    POSITION,
    STEERING_ANGLE,
    WHEEL_SPEED,
    Array,
    Signal,
    Signals,
)

LIDAR_ENDED = "lidar odometry has ended"
_COMPILING = 100  # samples of a drive that compiles
_UNKNOWN = 20  # of them before the first fix, when the heading is not known


class WheeledFusion:
    """Runs one `WheeledFilter` for each row.

    Attitude and position are in the world of GNSS once the car has moved; before, and for ever
    without GNSS, in one that begins where it started, along x. Velocity is that of the IMU in the
    body frame, and right from the first sample on.

    Args:
        config: the car.
        control_period: s between two samples.
        burst: IMU sub-samples in one sample's `imu_burst`; 0 if the robot gives none.
        rows: cars.
        lidar: an odometry by its lidar, of one car alone; `close` ends it too.
        beams: the number of beams of that lidar.
    """

    provides: tuple[Signal, ...] = (
        ATTITUDE_SIGNAL,
        Signal(BASE_VELOCITY, 3, "m/s", "body"),
        Signal(POSITION, 3, "m", "world"),
    )

    def __init__(
        self,
        config: WheeledRobotConfig,
        control_period: float,
        burst: int = 0,
        rows: int = 1,
        *,
        lidar: LidarOdometry | None = None,
        beams: int = 0,
    ) -> None:
        assert lidar is None or rows == 1
        self.reads: tuple[Signal, ...] = (
            *imu_signals(burst),
            Signal(WHEEL_SPEED, len(config.estimator.wheels), "rad/s"),
            Signal(STEERING_ANGLE, 1, "rad"),
        )
        if config.gnss:
            self.reads += (
                Signal(GNSS_POSITION, 3, "m", "world"),
                Signal(GNSS_VELOCITY, 3, "m/s", "world"),
            )
        if lidar is not None:
            self.reads += (Signal(LIDAR, beams, "m", "lidar"),)
        self._lidar = lidar
        self._lidar_ended = False  # its process, without `close`
        self.filters: Sequence[WheeledFilter] = [
            WheeledFilter(config.estimator, gnss=config.gnss) for _ in range(rows)
        ]
        self._period, self._burst, self._gnss = control_period, burst, config.gnss
        self._radius = config.wheel_radius
        self._time = 0.0  # s, since the first sample
        self._fresh = np.ones(rows, bool)
        self._fix = np.full((rows, 6), np.nan, np.float32)  # the last one of each car
        self._fix_std = np.full(3, config.estimator.fix_std)
        self._fix_velocity_std = config.estimator.fix_velocity_std
        self._attitude = np.zeros((rows, 4), np.float32)
        self._attitude[:, 0] = 1.0
        self._velocity = np.zeros((rows, 3), np.float32)
        self._position = np.zeros((rows, 3), np.float32)
        self.estimates: Mapping[str, Array] = {
            ATTITUDE: self._attitude,
            BASE_VELOCITY: self._velocity,
            POSITION: self._position,
        }
        self.lost = False

    @classmethod
    @cache
    def compile(cls, config: WheeledRobotConfig, control_period: float, burst: int = 0) -> None:
        """Compiles everything before the first tick, by a short drive of a synthetic car."""
        with compiling("the wheeled estimator", _COMPILING):
            cls._warm_up(cls(config, control_period, burst), config, control_period)

    @staticmethod
    def _warm_up(car: "WheeledFusion", config: WheeledRobotConfig, control_period: float) -> None:
        signals = {s.name: np.zeros((1, s.size), np.float32) for s in car.reads}
        rng, speed = np.random.default_rng(0), 8.0  # m/s
        for step in range(_COMPILING):
            write_imu_at_rest(signals, rng)
            signals[WHEEL_SPEED][:] = speed / config.wheel_radius
            if config.gnss and step >= _UNKNOWN and step % 5 == 0:
                signals[GNSS_POSITION][0] = [speed * step * control_period, 0.0, 0.0]
                signals[GNSS_VELOCITY][0] = [speed, 0.0, 0.0]
            car.update(signals)
        _ = car.states  # recording asks for them in the first tick

    @property
    def states(self) -> Sequence[Estimate]:
        return [self._without_lidar(car.estimate) for car in self.filters]

    @property
    def reason(self) -> str:
        reasons = dict.fromkeys(car.judge()[1] for car in self.filters)
        if self._lidar_ended:
            reasons[LIDAR_ENDED] = None
        return "; ".join(reason for reason in reasons if reason)

    def reset(self, rows: np.ndarray | None = None) -> None:
        self._fresh[slice(None) if rows is None else rows] = True

    def update(self, signals: Signals, periods: int = 1) -> Mapping[str, Array]:
        self._time += periods * self._period
        readings = self._readings(signals)
        speed = signals[WHEEL_SPEED].astype(np.float64) * self._radius
        steering = signals[STEERING_ANGLE][:, 0].tolist()
        parts = readings.shape[1]
        stamps = [self._time - self._period * part / parts for part in range(parts - 1, -1, -1)]
        self.lost = False
        for row, car in enumerate(self.filters):
            if self._fresh[row]:
                self._begin(row, car, readings[row].mean(axis=0))
            else:
                for stamp, reading in zip(stamps, readings[row]):
                    car.predict(Imu(stamp, reading[:3], reading[3:]))
            car.update(Wheels(self._time, speed[row], steering[row]))
            if self._gnss:
                self._take_fix(row, car, signals)
            if self._lidar is not None:
                self._take_scan(self._lidar, car, signals[LIDAR][row])
            self._write_estimates(row, car)
        self._fresh[:] = False
        return self.estimates

    def _begin(self, row: int, car: WheeledFilter, reading: np.ndarray) -> None:
        """Starts from the mean reading of the first sample."""
        car.reset()
        self._fix[row] = np.nan
        car.predict(Imu(self._time, reading[:3], reading[3:]))

    def _take_scan(self, lidar: LidarOdometry, car: WheeledFilter, ranges: Array) -> None:
        """Hands the scan to the lidar's process, and takes the displacements by earlier ones."""
        if self._fresh[0]:
            lidar.reset()
        lidar.offer(self._time, ranges.astype(np.float64))
        for displacement in lidar.collect():
            car.update(displacement)
        self._lidar_ended = not lidar.alive

    def _without_lidar(self, estimate: Estimate) -> Estimate:
        """Returns the estimate, DEGRADED at best once the lidar's process has ended."""
        if not self._lidar_ended:
            return estimate
        reason = "; ".join(filter(None, (estimate.reason, LIDAR_ENDED)))
        health = min(estimate.health, Health.DEGRADED)
        return dataclasses.replace(estimate, health=health, reason=reason)

    def close(self) -> None:
        """Ends the lidar's process, if there is one."""
        if self._lidar is not None:
            self._lidar.close()

    def _readings(self, signals: Signals) -> np.ndarray:
        if self._burst:
            burst = signals[IMU_BURST]
            return burst.astype(np.float64).reshape(len(burst), self._burst, 6)
        both = np.concatenate([signals[IMU_GYRO], signals[IMU_ACCEL]], axis=1)
        return both.astype(np.float64)[:, None]

    def _take_fix(self, row: int, car: WheeledFilter, signals: Signals) -> None:
        """Corrects by the fix if it is new: between two fixes the signal repeats the last."""
        fix = np.concatenate([signals[GNSS_POSITION][row], signals[GNSS_VELOCITY][row]])
        if np.array_equal(fix, self._fix[row], equal_nan=True):
            return
        self._fix[row] = fix
        exact = fix.astype(np.float64)
        car.update(GnssFix(self._time, exact[:3], self._fix_std, exact[3:], self._fix_velocity_std))

    def _write_estimates(self, row: int, car: WheeledFilter) -> None:
        health = car.judge()[0]
        self.lost |= health == Health.LOST
        x = car.state
        attitude, velocity, position = x["attitude"], x["velocity"], x["position"]
        if (
            not math.isfinite(attitude.sum() + velocity.sum() + position.sum())
            or not attitude.any()
        ):
            self.lost = True  # not begun, or diverged: the last estimate is less wrong
            return
        self._attitude[row] = attitude
        self._velocity[row] = quaternion_to_matrix(attitude).T @ velocity
        self._position[row] = position
