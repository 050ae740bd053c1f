"""Estimates the attitude of N robots from gyroscope and accelerometer, for the control loop.

Laidig and Seel, "VQF: Highly accurate IMU orientation estimation with bias estimation and
magnetic disturbance rejection", Information Fusion 91, 2023.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from vqf import VQF

from edge_runtime.fusion.estimate import Estimate
from edge_runtime.fusion.imu_check_config import ImuCheckConfig
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.plausibility import WRONG_UNITS, ImuCheck
from edge_runtime.signals import (
    ATTITUDE,
    IMU_ACCEL,
    IMU_BURST,
    IMU_GYRO,
    IMU_READING,
    Array,
    Bool,
    Signal,
    Signals,
)

ATTITUDE_SIGNAL = Signal(ATTITUDE, 4, "1", "world")
_AT_REST = (0.95 * GRAVITY, 1.05 * GRAVITY)  # a first reading outside shows no vertical
UPRIGHT = np.array([0.0, 0.0, GRAVITY])  # the accelerometer of an upright body at rest
_FEWEST_BRIDGED = 6  # control periods, however slow: the loop waits for a sample that long


def imu_signals(burst: int) -> tuple[Signal, ...]:
    """Returns the signals of an IMU with `burst` readings in a sample; 0 for the mean alone."""
    mean = (Signal(IMU_GYRO, 3, "rad/s", "imu"), Signal(IMU_ACCEL, 3, "m/s^2", "imu"))
    if not burst:
        return mean
    return (*mean, Signal(IMU_BURST, IMU_READING * burst, "rad/s, m/s^2", "imu"))


def shows_vertical(accel: npt.NDArray[np.float64]) -> Bool:
    """Returns whether specific forces, (N, 3) m/s^2, have gravity's strength within 5 %, (N,)."""
    force = np.linalg.norm(accel, axis=1)
    down: Bool = (force > _AT_REST[0]) & (force < _AT_REST[1])
    return down


class AttitudeFusion:
    """Runs one VQF filter for each row.

    The first update after a reset takes the vertical from the accelerometer or, where that reads
    another force than gravity's, assumes an upright body. The filter then counts as settled, so
    that the first impact or launch weighs little. A row that was reset while it ran assumes
    nothing: it is lost until the accelerometer reads gravity's force.

    An IMU that reads another unit in its first second of rest makes the row lost until a reset, or
    until its readings show that they are right after all.

    Every sub-sample of the burst is integrated at its own time or, on a robot without bursts, the
    mean once a control period. Readings that cannot be true are left out. The present rotation
    stands for theirs and for that of lost samples, up to `longest_bridge` of `ImuCheckConfig`. A
    row without a reading for longer is lost, and starts anew as after a reset.
    A frozen IMU is the control loop's to see, which knows what of the robot is live.

    Args:
        control_period: s between two samples.
        burst: IMU sub-samples in one sample's `imu_burst`; 0 if the robot gives none.
        rows: robots.
    """

    provides: tuple[Signal, ...] = (ATTITUDE_SIGNAL,)
    states: Sequence[Estimate] = ()

    def __init__(self, control_period: float, burst: int = 0, rows: int = 1) -> None:
        self.reads: tuple[Signal, ...] = imu_signals(burst)
        self._burst = burst
        self._parts = max(burst, 1)
        sample_time = control_period / self._parts
        self._filters = [VQF(sample_time) for _ in range(rows)]
        self._settling = round(self._filters[0].params["tauAcc"] / sample_time)  # readings
        self._imu = np.zeros((rows, self._parts, IMU_READING))  # VQF takes float64
        self._flat_imu = self._imu.reshape(rows, -1)
        self._readings = [[(part[:3], part[3:]) for part in row] for row in self._imu]
        self._attitude = np.zeros((rows, 4), np.float32)
        self.estimates: Mapping[str, Array] = {ATTITUDE: self._attitude}
        self._sample_time = sample_time
        check = _check_config(control_period)
        self._longest = check.longest_bridge  # s
        self._checks = [ImuCheck(check) for _ in range(rows)]
        self._now = 0  # readings due until now: their clock
        self._left_out = [0] * rows  # readings since the last that was used
        self._wrong = [""] * rows  # with the newest sample
        self._fresh = np.ones(rows, bool)
        self._any_fresh = True
        self._ran = np.zeros(rows, bool)  # whether they were ever started
        self._waiting = np.zeros(rows, bool)  # for a reading that shows the vertical
        self.lost = False

    @property
    def reason(self) -> str:
        if not self.lost:
            return ""
        return next((why for why in self._wrong if why), "no reading shows the vertical yet")

    def reset(self, rows: np.ndarray | None = None) -> None:
        self._fresh[slice(None) if rows is None else rows] = True
        for row in np.flatnonzero(self._fresh):
            self._checks[row].reset()
            self._wrong[row] = ""
        self._any_fresh = bool(self._fresh.any())
        self.lost = bool((self._fresh & self._ran).any())

    def update(self, signals: Signals, periods: int = 1) -> Mapping[str, Array]:
        if self._burst:
            np.copyto(self._flat_imu, signals[IMU_BURST])
        else:
            self._imu[:, 0, :3] = signals[IMU_GYRO]
            self._imu[:, 0, 3:] = signals[IMU_ACCEL]
        self._now += periods * self._parts
        self.lost = False
        usable = [self._judge(row, periods) for row in range(len(self._filters))]
        if self._any_fresh:
            self._start(signals[IMU_ACCEL], np.array([all(row) for row in usable]))
        for row, estimator in enumerate(self._filters):
            if not (self._any_fresh and self._fresh[row]):
                self._integrate(row, usable[row], periods)
            self._attitude[row] = estimator.getQuat6D()
        if self._any_fresh:
            self._fresh &= self._waiting
            self._any_fresh = bool(self._fresh.any())
            self.lost |= self._any_fresh
        return self.estimates

    def close(self) -> None:
        pass

    def _judge(self, row: int, periods: int) -> list[bool]:
        """Returns which readings can be true; a row without one for too long becomes fresh."""
        check, stamp = self._checks[row], self._now - self._parts
        usable, wrong, gap, left_out = [], "", False, self._left_out[row]
        for reading in self._imu[row].tolist():
            stamp += 1
            verdict = check.judge(stamp * self._sample_time, reading[:3], reading[3:])
            usable.append(verdict.usable)
            left_out = 0 if verdict.usable else left_out + periods
            gap |= verdict.gap > 0.0 or left_out * self._sample_time > self._longest
            gap |= verdict.reason in WRONG_UNITS
            if gap or not verdict.usable:
                wrong = verdict.reason or wrong
        self._wrong[row] = wrong
        if gap and not self._fresh[row]:
            self._fresh[row] = self._any_fresh = self.lost = True
        return usable

    def _start(self, accel: Array, usable: Bool) -> None:
        at_rest = shows_vertical(accel.astype(np.float64))
        self._waiting = self._ran & ~(at_rest & usable)
        for row in np.flatnonzero(self._fresh & ~self._waiting):
            self._filters[row].resetState()
            reading = accel[row].astype(np.float64) if at_rest[row] else UPRIGHT
            for _ in range(self._settling):
                self._filters[row].updateAcc(reading)
            self._ran[row] = True
            self._left_out[row] = 0

    def _integrate(self, row: int, usable: Sequence[bool], periods: int) -> None:
        estimator, left_out = self._filters[row], self._left_out[row]
        readings = list(zip(usable, self._readings[row]))
        for _ in range(periods - 1):
            for good, (gyro, _accel) in readings:
                if good:
                    estimator.updateGyr(gyro)
        for good, (gyro, accel) in readings:
            if not good:
                left_out += periods
                continue
            for _ in range(left_out):
                estimator.updateGyr(gyro)
            left_out = 0
            estimator.update(gyro, accel)
        self._left_out[row] = left_out


def _check_config(control_period: float) -> ImuCheckConfig:
    """Returns the checks that are left here: the control loop detects a frozen IMU."""
    bridge = max(ImuCheckConfig().longest_bridge, _FEWEST_BRIDGED * control_period)
    return ImuCheckConfig(longest_bridge=bridge, frozen_after=0.0)
