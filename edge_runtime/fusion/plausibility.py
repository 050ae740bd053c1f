"""Judges whether an IMU reading can be true, and over which time to integrate it."""

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from edge_runtime.config.fields import setting
from edge_runtime.fusion.compiled import COMPILES, Numbers, compiling, numbers
from edge_runtime.fusion.imu_reading import LAST_USABLE, C, S, forget_readings, judge_reading
from edge_runtime.fusion.measurement import Imu

GRAVITY = 9.80665  # m/s^2

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
REASONS = (  # by what `judge_reading` returns
    *("", GAP, DROPOUT, SATURATED),
    *(NOT_FINITE, DUPLICATE, FROM_THE_PAST, LEAP, FROZEN, SATURATED, SPIKE, *WRONG_UNITS),
)


class ImuVerdict(NamedTuple):
    """Says what to do with a reading. All times are finite and not negative."""

    usable: bool
    reason: str  # one of the constants above, also of a usable one; empty if nothing is wrong
    dt: float  # s to integrate the reading over; 0 if it is not usable, and for the first
    gap: float = 0.0  # s before that of which nothing is known and which is too long to bridge


@dataclass(frozen=True)
class ImuCheckConfig:
    """Bounds what an IMU can read."""

    gyro_range: float = setting(34.9, unit="rad/s", above=0)
    """Turn rate at which the gyroscope saturates; most are set to 2000 deg/s."""
    accel_range: float = setting(156.9, unit="m/s^2", above=0)
    """Acceleration at which the accelerometer saturates; most are set to 16 g."""
    longest_bridge: float = setting(0.25, unit="s", at_least=0)
    """Time without a reading over which the next one may stand for the lost ones. A body turns by
    tens of degrees meanwhile, but an estimator that widens its covariance can mend that."""
    confirmations: int = setting(5, above=0)
    """Readings in a row, each shortly after the one before, after which a clock that jumped is
    believed. Fewer would take packets that overtake each other for a new clock."""
    frozen_after: float = setting(0.05, unit="s", at_least=0)
    """Time of bit-for-bit repeats of either sensor after which it counts as frozen, and at least
    five readings: a fast bus may read a slow sensor several times, quantization repeats values at
    rest, but not for so long. 0 for never (a simulator without noise)."""
    gyro_jump: float = setting(3.0, unit="rad/s", at_least=0)
    """Change from one reading to the next that is never a spike."""
    accel_jump: float = setting(30.0, unit="m/s^2", at_least=0)
    """Change from one reading to the next that is never a spike."""
    spike_ratio: float = setting(4.0, at_least=0)
    """A spike is also so many times larger than every jump of the recent past, so that a body that
    walks hard or is hit often is soon believed."""
    spike_memory: float = setting(5.0, unit="s", above=0)
    """Time after which the recent past is forgotten to 1/e."""
    check_units: bool = True
    """Look at the first second of rest for a gyroscope in deg/s or an accelerometer in g."""
    largest_bias: float = setting(0.2, unit="rad/s", at_least=0)
    """Mean that no gyroscope reads at rest: 11 deg/s."""
    largest_noise: float = setting(0.03, unit="rad/s", at_least=0)
    """Standard deviation at rest that no gyroscope has: MEMS have 0.001 to 0.005, in deg/s 0.05 and
    more."""


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
        self.settings: Numbers = numbers(dataclasses.astuple(config))
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


@cache
def _compile() -> None:
    """Compiles the check now, so that no robot waits for it at its first reading."""
    with compiling("the checks of the IMU") if COMPILES else nullcontext():
        x, c = numbers([0.0] * S.size), numbers([0.0] * C.size)
        forget_readings(x)
        judge_reading(x, c, *[0.0] * 7)
