"""Estimates the attitude from gyroscope, accelerometer and, where there is one, magnetometer.

Laidig and Seel, "VQF: Highly accurate IMU orientation estimation with bias estimation and
magnetic disturbance rejection", Information Fusion 91, 2023; its compiled implementation, behind
the interface of all estimators. VQF gives no covariance of the attitude; the model of it here is
derived in DERIVATION.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from vqf import VQF

from edge_runtime.config.fields import setting
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.measurement import Imu, Magnetometer, Measurement
from edge_runtime.fusion.plausibility import GRAVITY, WRONG_UNITS, ImuCheck, ImuCheckConfig
from edge_runtime.signals import Float

SILENT = "no IMU reading yet"
SETTLING = "the attitude is settling"
IMU_SILENT = "the IMU is silent"
FIELD_UNKNOWN = "the magnetic field is not known yet: turn the sensor"
FIELD_DISTURBED = "the magnetic field is disturbed"
FIELD_SILENT = "the magnetometer is silent"
_UNKNOWN = 1e6  # variance of what this filter does not estimate, (m/s)^2 and m^2


@dataclass(frozen=True)
class AttitudeConfig:
    """Sets VQF's time constants, and how wrong its sensors are."""

    tau_acc: float = setting(4.0, unit="s", above=0)
    """Time constant with which the accelerometer decides what is down. VQF's default, 3, is as
    good, but half of that is too little for a body that is shaken, while anything from 2 to 6 is
    well."""
    tau_mag: float = setting(15.0, unit="s", above=0)
    """Time constant with which the magnetometer decides where north is. VQF's default is 9; a
    gyroscope whose bias is estimated drifts by a degree in longer than that, while a building bends
    the field by several degrees from one place to the next."""
    delay: float = setting(0.002, unit="s", at_least=0)
    """Time by which the readings lag behind the motion: the group delay of the IMU's own low-pass,
    1 to 4 ms with the usual settings of MEMS. The attitude is carried forward over it. 0 for an
    ideal IMU."""
    period: float = setting(0.0, unit="s", at_least=0)
    """Time between IMU readings; 0 to learn it from the first ones."""
    longest_loss: float = setting(0.25, unit="s", at_least=0)
    """Time of unusable readings after which the attitude is lost."""
    accel_sigma: float = setting(0.05, unit="m/s^2", at_least=0)
    """Accelerometer bias left over."""
    push_sigma: float = setting(0.0007, unit="rad s^2/m", at_least=0)
    """Tilt error per acceleration that is not gravity."""
    scale_sigma: float = setting(0.0015, at_least=0)
    """Share by which the gyroscope's scale and axes are off."""
    delay_sigma: float = setting(0.0005, unit="s", at_least=0)
    """Error of `delay`."""
    field_sigma: float = setting(math.radians(4.0), unit="rad", at_least=0)
    """Angle by which a building bends the direction of the field."""
    imu: ImuCheckConfig = ImuCheckConfig()


_LEARNING = 20  # readings from which the period is learnt
_FIRST_PERIOD = 0.005  # s, until then
_LONGEST_AGE = 0.1  # s; an older magnetometer reading is refused
_MOST_REPEATS = 50  # of one magnetometer reading that stands for lost ones
_MAGNETOMETER_TIMEOUT = 1.0  # s
_SAME_WAY = 0.5  # s for which a body turns the same way
_AVERAGED = 0.25  # share of the field's variance that motion leaves over within tau_mag


class AttitudeFilter:
    """Runs VQF over stamped measurements.

    The period is learnt from the first readings, which are then taken in all at once. A reading
    after lost ones is integrated over their time too. After a gap that is too long for that, the
    attitude starts anew while the bias is kept.

    Velocity and position are not estimated: zero with a variance of 1e6. Without a magnetometer
    the heading starts at an arbitrary angle and drifts; with one, y is magnetic north.
    """

    def __init__(self, config: AttitudeConfig = AttitudeConfig()) -> None:
        self.config = config
        self._check = ImuCheck(config.imu)
        self.reset()

    def reset(self) -> None:
        self._check.reset()
        self._bias, self._bias_sigma = np.zeros(3), math.inf
        self._start()
        self._reason = SILENT

    def _start(self) -> None:
        """Starts a new attitude and keeps the bias."""
        self._filter: VQF | None = None
        self._waiting: list[tuple[Imu | Magnetometer, float]] = []
        self._period = self.config.period or _FIRST_PERIOD
        self._stamp = math.nan
        self._gyro, self._accel = np.zeros(3), np.array([0.0, 0.0, GRAVITY])  # as last used
        self._seconds = 0.0  # since the start
        self._unusable = 0  # readings in a row
        self._silent_since = math.nan  # s, by the stamps of another sensor
        self._lost = False
        self._reason = ""  # what was wrong with the last reading
        self._field_stamp = math.nan  # of the last magnetometer reading
        self._pushed = 0.0  # m/s^2, low-passed
        self._tilt_drift = 0.0  # rad^2
        self._heading_variance = self.config.field_sigma**2

    def predict(self, imu: Imu) -> None:
        verdict = self._check.check(imu)
        self._reason, self._silent_since = verdict.reason, math.nan
        if not verdict.usable:
            self._unusable += 1
            self._lost |= verdict.reason in WRONG_UNITS
            self._lost |= self._unusable * self._period > self.config.longest_loss
            return
        if verdict.gap:
            self._start()
            self._reason = verdict.reason
        self._unusable, self._lost = 0, False
        self._stamp, self._gyro, self._accel = imu.stamp, imu.gyro, imu.accel
        if self._filter is not None:
            self._integrate(self._filter, imu, verdict.dt)
        else:
            self._waiting.append((imu, verdict.dt))
            steps = [dt for reading, dt in self._waiting if isinstance(reading, Imu)]
            if self.config.period or len(steps) == _LEARNING:
                self._begin(steps)

    def update(self, measurement: Measurement) -> bool:
        if not isinstance(measurement, Magnetometer):
            return False
        field = measurement.field
        since = measurement.stamp - self._field_stamp
        age = self._stamp - measurement.stamp
        if age < -_LONGEST_AGE:
            self._miss(measurement.stamp)
        if since <= 0.0 or not abs(age) <= _LONGEST_AGE or not _is_field(field):
            return False
        self._field_stamp = measurement.stamp
        # The body has turned since, so the field has turned in its frame.
        field = field + age * np.cross(field, self._gyro - self._bias)
        if self._filter is None:
            self._waiting.append((Magnetometer(measurement.stamp, field), since))
            return True
        return self._take_field(self._filter, field, since)

    def _miss(self, stamp: float) -> None:
        """Notes that the IMU is silent, as a magnetometer reading far ahead of it shows."""
        if not self._silent_since <= stamp:  # also NaN
            self._silent_since = stamp
        if stamp - self._silent_since > self.config.longest_loss:
            self._lost, self._reason = True, IMU_SILENT

    @property
    def estimate(self) -> Estimate:
        health, reason = self._health()
        covariance = np.zeros((9, 9))
        tilt, heading = self._tilt_variance(), self._heading_variance
        covariance.flat[::10] = (tilt, tilt, heading) + (_UNKNOWN,) * 6
        return Estimate(
            stamp=self._stamp,
            attitude=self._attitude(),
            velocity=np.zeros(3),
            position=np.zeros(3),
            gyro_bias=self._bias.copy(),
            accel_bias=np.zeros(3),
            covariance=covariance,
            health=health,
            reason=reason,
        )

    def _begin(self, steps: list[float]) -> None:
        """Creates VQF and gives it all readings that wait, now that the period is known."""
        if not self.config.period:
            self._period = float(np.median(steps[1:]))
        started = VQF(self._period, tauAcc=self.config.tau_acc, tauMag=self.config.tau_mag)
        if self._bias_sigma < math.inf:
            started.setBiasEstimate(self._bias, self._bias_sigma)
        for reading, since in self._waiting:
            if isinstance(reading, Imu):
                self._integrate(started, reading, since)
            else:
                self._take_field(started, reading.field, since)
        self._waiting.clear()
        self._filter = started

    def _integrate(self, vqf: VQF, imu: Imu, dt: float) -> None:
        steps = dt / self._period if dt else 1.0
        vqf.updateGyr(self._bias + steps * (imu.gyro - self._bias))
        vqf.updateAcc(imu.accel)
        self._bias, self._bias_sigma = vqf.getBiasEstimate()
        self._seconds += dt
        self._spread(imu, dt)

    def _take_field(self, vqf: VQF, field: Float, since: float) -> bool:
        """Gives VQF the reading once for each IMU period since the last.

        Returns:
            Whether VQF believed it.
        """
        steps = 1 if math.isnan(since) else round(since / self._period)
        for _ in range(min(max(steps, 1), _MOST_REPEATS)):
            vqf.updateMag(field)
        believed = not vqf.getMagDistDetected()
        if believed and since < _MAGNETOMETER_TIMEOUT:
            left = self._field_left()
            gain = 1.0 - math.exp(-2.0 * since / self.config.tau_mag)
            self._heading_variance += gain * min(left - self._heading_variance, 0.0)
        return believed

    def _field_left(self) -> float:
        return _AVERAGED * self.config.field_sigma**2

    def _spread(self, imu: Imu, dt: float) -> None:
        """Propagates the variances of heading and tilt over dt; see DERIVATION.md."""
        config = self.config
        rate, force = math.hypot(*imu.gyro.tolist()), math.hypot(*imu.accel.tolist())
        # Scale errors: a random walk, as the body keeps turning the same way for a while only.
        drift = 2.0 * _SAME_WAY * (config.scale_sigma * rate) ** 2
        # A constant bias error makes sigma grow at its rate, and sigma^2 at 2 sigma times that.
        self._heading_variance += dt * (
            drift + 2.0 * self._bias_sigma * math.sqrt(self._heading_variance)
        )
        self._heading_variance = min(self._heading_variance, math.pi**2)
        share = min(dt / config.tau_acc, 1.0)
        self._tilt_drift += dt * drift - 2.0 * share * self._tilt_drift
        self._pushed += share * (abs(force - GRAVITY) - self._pushed)

    def _tilt_variance(self) -> float:
        """Returns the variance of tilt about each horizontal axis, rad^2."""
        config = self.config
        settled = min(self._seconds / config.tau_acc, 1.0)
        bias = self._bias_sigma * config.tau_acc / 2.0 if settled else 0.0
        late = config.delay_sigma * math.hypot(*self._gyro.tolist())
        pushed = config.push_sigma * self._pushed / max(settled, 0.05)
        still = config.accel_sigma / GRAVITY
        return still**2 + bias**2 + late**2 + pushed**2 + self._tilt_drift

    def _attitude(self) -> Float:
        if self._filter is None:
            return _tilted(self._accel)
        known = math.isfinite(self._field_stamp)
        attitude = self._filter.getQuat9D() if known else self._filter.getQuat6D()
        half = 0.5 * self.config.delay * (self._gyro - self._bias)
        return VQF.quatMultiply(attitude, np.array([1.0, *half]) / math.hypot(1.0, *half))

    def _health(self) -> tuple[Health, str]:
        if self._lost:
            return Health.LOST, self._reason
        if self._filter is None:
            return Health.INITIALISING, self._reason or SETTLING
        if self._seconds < self.config.tau_acc and not self._filter.getRestDetected():
            return Health.INITIALISING, SETTLING
        reason = self._reason or self._doubt_of_heading(self._filter)
        return (Health.DEGRADED, reason) if reason else (Health.GOOD, "")

    def _doubt_of_heading(self, vqf: VQF) -> str:
        if math.isnan(self._field_stamp):
            return ""  # there is no magnetometer
        if self._stamp - self._field_stamp > _MAGNETOMETER_TIMEOUT:
            return FIELD_SILENT
        if vqf.getMagRefNorm() == 0.0:
            return FIELD_UNKNOWN
        return FIELD_DISTURBED if vqf.getMagDistDetected() else ""


def _is_field(field: Float) -> bool:
    x, y, z = field.tolist()
    return math.isfinite(x + y + z) and (x != 0.0 or y != 0.0 or z != 0.0)


def _tilted(accel: Float) -> Float:
    """Returns the attitude, wxyz, of yaw 0 in which the specific force points up."""
    x, y, z = accel / math.hypot(*accel)
    if z < -0.999999:
        return np.array([0.0, 1.0, 0.0, 0.0])
    w = math.sqrt(0.5 * (1.0 + z))
    return np.array([w, 0.5 * y / w, -0.5 * x / w, 0.0])
