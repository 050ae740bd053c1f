"""Judges whether an IMU reading can be true, and over which time to integrate it.

It uses plain floats and no numpy, whose reduction over three numbers costs more than all of this.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from edge_runtime.config.fields import setting
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


_QUARTER, _QUARTERS = 0.25, 4  # s; so many of stillness to judge units by
_FEWEST = 5  # readings in each
_STILL = 0.01  # standard deviation of a still accelerometer, as a share of what it reads
_GRAVITIES = (0.9 * GRAVITY, 1.1 * GRAVITY)
_FEWEST_REPEATS = 5
_MOST_SPIKES = 2  # in a row
_NOTHING = [math.nan] * 3
_LONGEST = 1e9  # s; a longer gap is reported as this


class ImuCheck:
    """Judges one IMU's readings, one after another.

    A reading is left out if it is not finite, saturated, stamped before or with the last one, a
    spike, or bit for bit what it was; the next good one then stands for it too. After a gap too
    long for that `ImuVerdict.gap` is its length. Once the units have been found wrong, nothing is
    usable until `reset`.
    """

    def __init__(self, config: ImuCheckConfig = ImuCheckConfig()) -> None:
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forgets everything, as at start-up."""
        self._stamp = math.nan  # of the last reading whose time was right
        self._used = math.nan  # of the last usable one
        self._period = math.nan  # s, typical
        self._gap = 0.0  # s, found with the present reading
        self._other_clock = (math.nan, math.nan)  # first and last stamp, if it jumped
        self._confirmed = 0  # readings on the other clock
        self._gyro, self._accel = _NOTHING, _NOTHING  # as last read
        self._gyro_still, self._accel_still = (0, 0.0), (0, 0.0)  # repeats, and s of them
        self._good_gyro, self._good_accel = _NOTHING, _NOTHING  # as last used
        self._odd_gyro, self._odd_accel = _NOTHING, _NOTHING  # last taken for a spike
        self._spikes = 0  # in a row
        self._gyro_peak = self._accel_peak = 0.0  # largest jumps of the recent past
        self._units = UnitCheck(self.config) if self.config.check_units else None

    @property
    def newest(self) -> float:
        """Returns the stamp of the last reading whose time was right, s; NaN if there was none."""
        return self._stamp

    def check(self, imu: Imu) -> ImuVerdict:
        """Judges the next reading of the IMU."""
        return self.judge(imu.stamp, imu.gyro.tolist(), imu.accel.tolist())

    def judge(self, stamp: float, gyro: list[float], accel: list[float]) -> ImuVerdict:
        """Judges the next reading, given as plain numbers: s, rad/s and m/s^2."""
        since = stamp - self._stamp
        self._gap = 0.0
        if 0.0 < since <= self.config.longest_bridge:
            self._confirmed = 0
        else:
            reason = self._odd_time(stamp)
            if reason:
                return ImuVerdict(False, reason, 0.0)
            since = stamp - self._stamp
        self._stamp = stamp
        reason = self._implausible(since, gyro, accel)
        if reason:
            return ImuVerdict(False, reason, 0.0)
        return self._usable(stamp, since)

    def _usable(self, stamp: float, since: float) -> ImuVerdict:
        dt = stamp - self._used
        self._used = stamp
        if self._gap:
            return ImuVerdict(True, GAP, since, self._gap)
        if dt <= self.config.longest_bridge:
            lost = dt > 2.5 * self._period  # False while the period is not known
            if self._period > 0.0:
                self._period += 0.05 * (min(dt, 2.0 * self._period) - self._period)
            else:
                self._period = dt
            return ImuVerdict(True, DROPOUT if lost else "", dt)
        if math.isnan(dt):
            return ImuVerdict(True, "", 0.0)
        return ImuVerdict(True, GAP, since, dt - since)

    def _odd_time(self, stamp: float) -> str:
        """Returns why the reading is left out; empty if it is the first or on a new clock."""
        if not math.isfinite(stamp):
            return NOT_FINITE
        if math.isnan(self._stamp):
            return ""
        if stamp == self._stamp:
            return DUPLICATE
        first, last = self._other_clock
        if self._confirmed and stamp == last:
            return DUPLICATE
        if self._confirmed and 0.0 < stamp - last <= self.config.longest_bridge:
            self._confirmed += 1
        else:
            first, self._confirmed = stamp, 1
        self._other_clock = (first, stamp)
        if self._confirmed < self.config.confirmations:
            return LEAP if stamp > self._stamp else FROM_THE_PAST
        silent = last - self._used if last > self._used else last - first
        self._gap = min(max(silent, 1e-9), _LONGEST)
        self._stamp = last
        self._confirmed = 0
        return ""

    def _implausible(self, since: float, gyro: list[float], accel: list[float]) -> str:
        gx, gy, gz = gyro
        ax, ay, az = accel
        if not math.isfinite(gx + gy + gz + ax + ay + az):
            return NOT_FINITE
        # A sensor at its limit repeats itself as a frozen one does, so saturation is tested first.
        limit = self.config.gyro_range
        if not (-limit < gx < limit and -limit < gy < limit and -limit < gz < limit):
            return SATURATED
        limit = self.config.accel_range
        if not (-limit < ax < limit and -limit < ay < limit and -limit < az < limit):
            return SATURATED
        if gyro == self._gyro or accel == self._accel:
            if self._is_frozen(since, gyro, accel):
                return FROZEN
        else:
            self._gyro_still = self._accel_still = (0, 0.0)
        self._gyro, self._accel = gyro, accel
        spike = self._spike(since, gyro, accel)
        if self._units is None or spike:
            return spike
        return self._judge_units(since, gyro, accel)

    def _judge_units(self, since: float, gyro: list[float], accel: list[float]) -> str:
        assert self._units is not None
        if not self._units.wrong:
            if math.isnan(since):
                return ""  # a first reading is of no duration; an estimator in doubt makes it up
            self._units.judge(since, gyro, accel)
        wrong = self._units.wrong
        if self._units.known:
            self._units = None
        return wrong

    def _is_frozen(self, since: float, gyro: list[float], accel: list[float]) -> bool:
        repeats, seconds = self._gyro_still
        self._gyro_still = (repeats + 1, seconds + since) if gyro == self._gyro else (0, 0.0)
        repeats, seconds = self._accel_still
        self._accel_still = (repeats + 1, seconds + since) if accel == self._accel else (0, 0.0)
        repeats, seconds = max(self._gyro_still, self._accel_still)
        limit = self.config.frozen_after
        return limit > 0.0 and repeats >= _FEWEST_REPEATS and seconds >= limit

    def _spike(self, since: float, gyro: list[float], accel: list[float]) -> str:
        config = self.config
        if self._stamp - self._used > config.longest_bridge:
            self._good_gyro = self._good_accel = _NOTHING  # too old to compare with
        turned, pushed = _jump(gyro, self._good_gyro), _jump(accel, self._good_accel)
        gyro_limit = max(config.gyro_jump, config.spike_ratio * self._gyro_peak)
        accel_limit = max(config.accel_jump, config.spike_ratio * self._accel_peak)
        if turned > gyro_limit or pushed > accel_limit:
            again = self._spikes > 0 and (
                _jump(gyro, self._odd_gyro) <= gyro_limit
                and _jump(accel, self._odd_accel) <= accel_limit
            )
            if not again and self._spikes < _MOST_SPIKES:
                self._spikes += 1
                self._odd_gyro, self._odd_accel = gyro, accel
                if pushed > accel_limit:
                    # The next one as large is believed: a body that is hit, not a broken sensor.
                    # Its rotation cannot jump there and back, whatever hits it.
                    self._accel_peak = accel_limit
                return SPIKE
        self._spikes = 0
        keep = max(0.0, 1.0 - since / config.spike_memory)
        self._gyro_peak = max(keep * self._gyro_peak, turned)  # the first jump is NaN: no more
        self._accel_peak = max(keep * self._accel_peak, pushed)
        self._good_gyro, self._good_accel = gyro, accel
        return ""


def _jump(now: list[float], before: list[float]) -> float:
    return max(abs(now[0] - before[0]), abs(now[1] - before[1]), abs(now[2] - before[2]))


class UnitCheck:
    """Judges the units by four quarters of a second of rest in a row that agree.

    A disturbance in one of them thus decides nothing.
    """

    def __init__(self, config: ImuCheckConfig) -> None:
        self._config = config
        self.wrong = ""
        self.known = False
        self._opinion, self._agreeing = "", 0
        self._start()

    def _start(self) -> None:
        self._seconds, self._readings = 0.0, 0
        self._sums, self._squares = [0.0] * 6, [0.0] * 6

    def judge(self, since: float, gyro: list[float], accel: list[float]) -> None:
        self._seconds += since
        self._readings += 1
        for index, value in enumerate((*gyro, *accel)):
            self._sums[index] += value
            self._squares[index] += value * value
        if self._seconds >= _QUARTER and self._readings >= _FEWEST:
            self._decide()
            self._start()

    def _decide(self) -> None:
        means = [total / self._readings for total in self._sums]
        noise = [
            math.sqrt(max(square / self._readings - mean * mean, 0.0))
            for square, mean in zip(self._squares, means)
        ]
        gravity = math.hypot(*means[3:])
        if not max(noise[3:]) < _STILL * gravity:  # it moves
            self._agreeing = 0
            return
        opinion = self._opinion_of(means, max(noise[:3]), gravity)
        self._agreeing = self._agreeing + 1 if opinion == self._opinion else 1
        self._opinion = opinion
        if self._agreeing == _QUARTERS:
            self.wrong, self.known = opinion, not opinion

    def _opinion_of(self, means: list[float], gyro_noise: float, gravity: float) -> str:
        if not _GRAVITIES[0] < gravity < _GRAVITIES[1]:
            return ACCEL_UNIT
        # Turning about the vertical leaves the accelerometer still, turning otherwise does not.
        rate, vertical = means[:3], [a / gravity for a in means[3:]]
        tilting = math.hypot(
            rate[1] * vertical[2] - rate[2] * vertical[1],
            rate[2] * vertical[0] - rate[0] * vertical[2],
            rate[0] * vertical[1] - rate[1] * vertical[0],
        )
        wrong = tilting > self._config.largest_bias or gyro_noise > self._config.largest_noise
        return GYRO_UNIT if wrong else ""
