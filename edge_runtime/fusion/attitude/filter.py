"""Estimates the attitude from gyroscope, accelerometer and, where there is one, magnetometer.

Laidig and Seel, "VQF: Highly accurate IMU orientation estimation with bias estimation and
magnetic disturbance rejection", Information Fusion 91, 2023; its compiled implementation, behind
the interface of all estimators. VQF gives no covariance of the attitude; the model of it here is
derived in DERIVATION.md.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache

import numpy as np
from vqf import VQF

from edge_runtime.config.fields import setting
from edge_runtime.fusion.attitude import periodic_checks, steps
from edge_runtime.fusion.attitude.bias import NEW_BIAS, REST_SIGMA
from edge_runtime.fusion.attitude.state import FIELD_TIMEOUT, A, K
from edge_runtime.fusion.compiled import COMPILES, Numbers, compiling, numbers
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.imu_check_config import ImuCheckConfig
from edge_runtime.fusion.imu_check_state import S
from edge_runtime.fusion.imu_reading import GAP, LAST_USABLE, forget_readings
from edge_runtime.fusion.measurement import Imu, Magnetometer, Measurement
from edge_runtime.fusion.plausibility import REASONS, SATURATED, check_settings
from edge_runtime.signals import Float

SILENT = "no IMU reading yet"
SETTLING = "the attitude is settling"
IMU_SILENT = "the IMU is silent"
FIELD_UNKNOWN = "the magnetic field is not known yet: turn the sensor"
FIELD_DISTURBED = "the magnetic field is disturbed"
FIELD_SILENT = "the magnetometer is silent"
UNSURE = "the tilt is not known well: the gyroscope drifts, or the body is pushed or clipped"


@dataclass(frozen=True)
class AttitudeConfig:
    """Sets VQF's time constants, and how wrong its sensors are."""

    tau_acc: float = setting(3.5, unit="s", above=0)
    """Time constant with which the accelerometer decides what is down. VQF's default is 3. Half of
    that is too little for a body that is shaken, while anything from 1.7 to 6 is well."""
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
    push_sigma: float = setting(0.0004, unit="rad s^2/m", at_least=0)
    """Tilt error per acceleration that is not gravity."""
    scale_sigma: float = setting(0.0003, at_least=0)
    """Share by which the gyroscope's scale and axes are off."""
    delay_sigma: float = setting(0.0003, unit="s", at_least=0)
    """Error of `delay`."""
    field_sigma: float = setting(math.radians(4.0), unit="rad", at_least=0)
    """Angle by which a building bends the direction of the field."""
    gyro_bias_std: float = setting(0.035, unit="rad/s", above=0)
    """Standard deviation of the gyroscope's bias at the start."""
    gyro_bias_clip: float = setting(0.2, unit="rad/s", above=0)
    """Largest bias of each axis of the gyroscope. A mean beyond it is a rotation, also of a body
    that seems to rest."""
    good_tilt: float = setting(0.05, unit="rad", above=0)
    """Standard deviation of the tilt up to which health is good."""
    lost_tilt: float = setting(0.3, unit="rad", above=0)
    """Standard deviation of the tilt from which the attitude is lost."""
    imu: ImuCheckConfig = ImuCheckConfig()


_LEARNING = 20  # readings from which the period is learnt
_FIRST_PERIOD = 0.005  # s, until then


class AttitudeFilter:
    """Runs VQF over stamped measurements.

    The period is learnt from the first readings, which are then taken in all at once. A reading
    after lost ones is integrated over their time too. After a gap that is too long for that, the
    attitude starts anew while the bias is kept.

    A bias of the gyroscope beyond the 2 deg/s that VQF looks for is learnt while the body rests
    and subtracted before. The covariance follows VQF's corrections of the inclination, and while
    it is larger than `good_tilt`, health is not GOOD.

    Velocity and position are not estimated: zero with a variance of 1e6. Without a magnetometer
    the heading starts at an arbitrary angle and drifts; with one, y is magnetic north.
    """

    def __init__(self, config: AttitudeConfig = AttitudeConfig()) -> None:
        self.config = config
        self._settings = _settings(config)
        self._x: Numbers = numbers([0.0] * A.size)
        self._fed = np.zeros(6)  # what VQF is given
        self._fed_gyro, self._fed_accel = self._fed[:3], self._fed[3:]
        self._fed_field = np.zeros(3)
        _compile()
        self.reset()

    def reset(self) -> None:
        x = self._x
        forget_readings(x)
        for i in range(3):
            x[A.bias + i] = x[A.offset + i] = 0.0
        x[A.tilting_sigma] = x[A.turning_sigma] = self.config.gyro_bias_std
        x[A.learnt] = 0.0
        self._start()
        self._reason = SILENT

    def _start(self) -> None:
        """Starts a new attitude and keeps the bias."""
        self._filter: VQF | None = None
        self._waiting: list[tuple[Imu | Magnetometer, float]] = []
        steps.start_attitude(self._x, self._settings, self.config.period or _FIRST_PERIOD)
        self._reason = ""  # what was wrong with the last reading

    def predict(self, imu: Imu) -> None:
        stamp, gyro, accel = imu
        found = steps.take_reading(
            self._x, self._settings, self._fed, stamp, *gyro.tolist(), *accel.tolist()
        )
        vqf = self._filter
        if found or vqf is None:
            self._notice(found, imu)
        else:
            self._reason = ""
            vqf.update(self._fed_gyro, self._fed_accel)

    def _notice(self, found: int, imu: Imu) -> None:
        """Goes on after a reading that is not like most."""
        quarter_ends, kind = divmod(found, steps.QUARTER_ENDS)
        if kind == GAP:
            dt = float(self._x[S.dt])
            self._start()
            self._x[A.stamp] = imu.stamp
            for i in range(6):
                self._x[A.gyro + i] = self._x[S.now + i]
            self._waiting.append((imu, dt))
        self._reason = SATURATED if kind == steps.CLIPPED else REASONS[kind]
        if kind == GAP or LAST_USABLE < kind < steps.CLIPPED:
            return
        if self._filter is not None:
            self._filter.update(self._fed_gyro, self._fed_accel)
            if quarter_ends:
                self._end_quarter(self._filter)
            return
        self._waiting.append((imu, float(self._x[S.dt])))
        imus = [dt for reading, dt in self._waiting if isinstance(reading, Imu)]
        if self.config.period or len(imus) >= _LEARNING:
            self._begin(imus)

    def _begin(self, since: list[float]) -> None:
        """Creates VQF and gives it all readings that wait, now that the period is known."""
        x, config = self._x, self.config
        if not config.period:
            x[A.period] = float(np.median(since[1:]))
        self._filter = vqf = VQF(
            float(x[A.period]),
            tauAcc=config.tau_acc,
            tauMag=config.tau_mag,
            biasSigmaInit=math.degrees(config.gyro_bias_std),
        )
        vqf.setBiasEstimate(self._bias_left(), max(x[A.tilting_sigma], x[A.turning_sigma]))
        offset = np.array([x[A.offset + i] for i in range(3)])
        bias = np.array([x[A.bias + i] for i in range(3)])
        for reading, dt in self._waiting:
            if isinstance(reading, Imu):
                n = dt / x[A.period] if dt else 1.0
                vqf.update(bias + n * (reading.gyro - bias) - offset, reading.accel)
            else:
                self._give_field(vqf, reading.field, max(round(dt / x[A.period]), 1) if dt else 1)
        self._waiting.clear()

    def _bias_left(self) -> Float:
        """Returns the bias that is left for VQF, (3,) rad/s."""
        x = self._x
        return np.array([x[A.bias + i] - x[A.offset + i] for i in range(3)])

    def _end_quarter(self, vqf: VQF) -> None:
        x, state = self._x, vqf.state
        news = periodic_checks.end_quarter(
            x,
            self._settings,
            np.array(state["bias"]),
            np.array(state["biasP"]),
            np.array(state["gyrQuat"]),
            vqf.getQuat6D(),
            state["delta"],
            self._field_state(vqf),
        )
        if news & periodic_checks.NEW_FIELD:
            vqf.setMagRef(float(x[A.strength]), float(x[A.dip]))
        if news & NEW_BIAS and (self._settling(vqf, float(x[A.seconds])) or self._is_lost):
            self._start()  # what it has made of the readings before was wrong
        elif news & (NEW_BIAS | periodic_checks.SHIFTED_BIAS):
            sigma = REST_SIGMA if news & NEW_BIAS else -1.0
            vqf.setBiasEstimate(self._bias_left(), sigma)

    def update(self, measurement: Measurement) -> bool:
        if not isinstance(measurement, Magnetometer):
            return False
        x, vqf, fed = self._x, self._filter, self._fed_field
        stamp, field = measurement
        last = float(x[A.field_stamp])
        known = vqf is not None and not vqf.getMagDistDetected()
        mx, my, mz = field.tolist()
        repeats = steps.take_field(x, self._settings, fed, stamp, mx, my, mz, known)
        if repeats <= 0:
            if repeats == steps.IMU_IS_SILENT:
                self._reason = IMU_SILENT
            return False
        if vqf is None:
            since = stamp - last if math.isfinite(last) else 0.0
            self._waiting.append((Magnetometer(stamp, fed.copy()), since))
            return True
        return self._give_field(vqf, fed, repeats)

    def _give_field(self, vqf: VQF, field: Float, repeats: int) -> bool:
        """Gives VQF the reading once for each IMU period since the last.

        Returns:
            Whether VQF believed it.
        """
        for _ in range(repeats):
            vqf.updateMag(field)
        believed: bool = not vqf.getMagDistDetected()
        return believed

    @property
    def estimate(self) -> Estimate:
        x, vqf = self._x, self._filter
        if vqf is None:
            attitude = _tilted(np.array([x[A.accel + i] for i in range(3)]))
        elif math.isfinite(x[A.field_stamp]):
            attitude = vqf.getQuat9D()
        else:
            attitude = vqf.getQuat6D()
        carried, covariance = np.empty(4), np.zeros((9, 9))
        stamp, tilt, seconds, since_field, lost = steps.describe(
            x, self._settings, attitude, carried, covariance
        )
        health, reason = self._health(tilt, seconds, since_field, lost)
        return Estimate(
            stamp=stamp,
            attitude=carried,
            velocity=np.zeros(3),
            position=np.zeros(3),
            gyro_bias=np.array(x[A.bias : A.bias + 3]),
            accel_bias=np.zeros(3),
            covariance=covariance,
            health=health,
            reason=reason,
        )

    @property
    def _is_lost(self) -> bool:
        tilt = steps.tilt_variance(self._x, self._settings)
        return bool(tilt > self.config.lost_tilt**2)

    def _settling(self, vqf: VQF, seconds: float) -> bool:
        return seconds < self.config.tau_acc and not vqf.getRestDetected()

    def _health(
        self, tilt: float, seconds: float, since_field: float, lost: bool
    ) -> tuple[Health, str]:
        vqf, config = self._filter, self.config
        if lost:
            return Health.LOST, self._reason
        if vqf is None:
            return Health.INITIALISING, self._reason or SETTLING
        if self._settling(vqf, seconds):
            return Health.INITIALISING, SETTLING
        if tilt > config.lost_tilt:
            return Health.LOST, self._reason or UNSURE
        reason = self._reason or (UNSURE if tilt > config.good_tilt else "")
        if not reason and not math.isnan(since_field):  # else there is no magnetometer
            reason = FIELD_SILENT
            if since_field <= FIELD_TIMEOUT:
                reason = (FIELD_UNKNOWN, "", FIELD_DISTURBED)[self._field_state(vqf)]
        return (Health.DEGRADED, reason) if reason else (Health.GOOD, "")

    def _field_state(self, vqf: VQF) -> int:
        if vqf.getMagRefNorm() == 0.0:
            return periodic_checks.FIELD_UNKNOWN
        return (
            periodic_checks.FIELD_DISTURBED
            if vqf.getMagDistDetected()
            else periodic_checks.FIELD_KNOWN
        )


def _settings(config: AttitudeConfig) -> Numbers:
    own = [getattr(config, name) for name in K._fields]
    return numbers([*check_settings(config.imu), *own])


@cache
def _compile() -> None:
    """Compiles the steps now, so that no robot waits for them at its first reading."""
    with compiling("the attitude estimator") if COMPILES else nullcontext():
        x, c, fed = numbers([0.0] * A.size), _settings(AttitudeConfig()), np.zeros(6)
        forget_readings(x)
        steps.start_attitude(x, c, 0.01)
        steps.take_reading(x, c, fed, 0.0, *[0.0] * 6)
        steps.take_field(x, c, fed, 0.0, 0.0, 0.0, 1.0, True)
        periodic_checks.end_quarter(
            x, c, fed[:3], np.ones(9), np.ones(4), np.ones(4), 0.0, periodic_checks.FIELD_UNKNOWN
        )
        steps.describe(x, c, np.ones(4), np.empty(4), np.zeros((9, 9)))


def _tilted(accel: Float) -> Float:
    """Returns the attitude, wxyz, of yaw 0 in which the specific force points up."""
    x, y, z = accel / math.hypot(*accel)
    if z < -0.999999:
        return np.array([0.0, 1.0, 0.0, 0.0])
    w = math.sqrt(0.5 * (1.0 + z))
    return np.array([w, 0.5 * y / w, -0.5 * x / w, 0.0])
