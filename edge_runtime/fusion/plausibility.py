"""Judges whether an IMU reading can be true, and over which time to integrate it."""

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from typing import NamedTuple

import numpy as np

from edge_runtime.fusion.compiled import COMPILES, Numbers, compiling, numbers
from edge_runtime.fusion.imu_check_config import ImuCheckConfig
from edge_runtime.fusion.imu_check_state import C, S
from edge_runtime.fusion.imu_reading import LAST_USABLE, forget_readings, judge_reading
from edge_runtime.fusion.measurement import Imu

NOT_FINITE = "the IMU gives NaN or infinity"
DUPLICATE = "an IMU reading came twice"
FROM_THE_PAST = "an IMU reading is older than the last"
LEAP = "the IMU's stamps leap ahead"
GAP = "the IMU was silent, or its clock jumped"
DROPOUT = "IMU readings are lost"
FROZEN = "the IMU repeats itself bit for bit"
SATURATED = "the IMU is saturated"
SPIKE = "the IMU gave a spike"
GYRO_UNIT = "at rest the gyroscope reads as if in deg/s; convert it to rad/s"
ACCEL_UNIT = "at rest the accelerometer does not read 9.8 m/s^2 (1 if in g); convert it to m/s^2"
WRONG_UNITS = (GYRO_UNIT, ACCEL_UNIT)
STUCK = tuple(
    f"the {sensor}'s {axis} axis repeats itself bit for bit"
    for sensor in ("gyroscope", "accelerometer")
    for axis in "xyz"
)
REASONS = (  # by what `judge_reading` returns
    *("", GAP, DROPOUT, SATURATED),
    *(NOT_FINITE, DUPLICATE, FROM_THE_PAST, LEAP, FROZEN, SATURATED, SPIKE, *WRONG_UNITS),
    *STUCK,
)


class ImuVerdict(NamedTuple):
    """Says what to do with a reading. All times are finite and not negative."""

    usable: bool
    reason: str  # one of the constants above, also of a usable one; empty if nothing is wrong
    dt: float  # s to integrate the reading over; 0 if it is not usable, and for the first
    gap: float = 0.0  # s before that of which nothing is known and which is too long to bridge


class ImuCheck:
    """Judges one IMU's readings, one after another.

    A reading is left out if it is not finite, stamped before or with the last one, a spike, bit for
    bit what it was, or cut off by the gyroscope's range; the next good one then stands for it too.
    Ranges below the configured ones are found by the plateaus that they make. After a gap too long
    to bridge `ImuVerdict.gap` is its length. Once the units have been found wrong, nothing is
    usable until later readings show that they are right, or until `reset`.
    """

    def __init__(self, config: ImuCheckConfig = ImuCheckConfig()) -> None:
        self.config = config
        self.settings: Numbers = numbers(check_settings(config))
        self.state: Numbers = numbers([0.0] * S.size)
        _compile()
        self.reset()

    def reset(self) -> None:
        """Forgets everything, as at start-up."""
        forget_readings(self.state)

    @property
    def newest(self) -> float:
        """Returns the stamp of the last reading whose time was right, s; NaN if there was none."""
        return float(self.state[S.stamp])

    def check(self, imu: Imu) -> ImuVerdict:
        """Judges the next reading of the IMU."""
        return self.judge(imu.stamp, imu.gyro.tolist(), imu.accel.tolist())

    def judge(self, stamp: float, gyro: Sequence[float], accel: Sequence[float]) -> ImuVerdict:
        """Judges the next reading, given as plain numbers: s, rad/s and m/s^2."""
        x = self.state
        found = judge_reading(x, self.settings, stamp, *gyro, *accel)
        return ImuVerdict(found <= LAST_USABLE, REASONS[found], float(x[S.dt]), float(x[S.gap]))


def check_settings(config: ImuCheckConfig) -> list[float]:
    """Returns the numbers of a config in the order of `CheckSettings`."""
    *own, mounting = dataclasses.astuple(config)
    matrix = np.array(mounting or np.eye(3), np.float64).reshape(3, 3)
    # Not the transpose: numbers with few digits are no rotation to the last bit.
    return [*own, bool(mounting), *np.linalg.inv(matrix).flat]


@cache
def _compile() -> None:
    """Compiles the check now, so that no robot waits for it at its first reading."""
    with compiling("the checks of the IMU") if COMPILES else nullcontext():
        x, c = numbers([0.0] * S.size), numbers([0.0] * C.size)
        forget_readings(x)
        judge_reading(x, c, *[0.0] * 7)
