"""Estimates a walking robot's attitude, velocity and position from IMU and feet.

The contact-aided invariant extended Kalman filter: Hartley, Ghaffari, Eustice, Grizzle, IJRR
39(4), 2020. DERIVATION.md derives the equations of `equations`; `feet` judges contacts and slips,
`steps` goes from event to event, and `timeline` puts late measurements in their place.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import RecordBuffer
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.imu_check_state import S
from edge_runtime.fusion.imu_reading import DROPOUT, FINE, LAST_USABLE
from edge_runtime.fusion.legged.config import LeggedConfig
from edge_runtime.fusion.legged.equations import forget_foot, world_covariance
from edge_runtime.fusion.legged.state import (
    EVENT,
    FEET,
    IMU,
    MOMENT,
    STATE,
    D,
    error_size,
    parameters,
    summarize,
)
from edge_runtime.fusion.legged.steps import take_in, take_readings
from edge_runtime.fusion.lie import matrix_to_quaternion, quaternion_to_matrix, tilt_from_gravity
from edge_runtime.fusion.measurement import Feet, Imu, Measurement
from edge_runtime.fusion.plausibility import GAP, REASONS, WRONG_UNITS, ImuCheck
from edge_runtime.fusion.timeline import Timeline
from edge_runtime.signals import Float

NO_READING = "no IMU reading yet"
SETTLING = "tilt and velocity are not yet known well"
UNSURE = "tilt or velocity is not known well"
STATE_UNKNOWN = "tilt or velocity is unknown"
NO_FOOT = "no foot stands"
ALL_SLIP = "every foot slips"
CONTRADICTION = "the feet contradict the IMU"
_TROUBLE_TIME = 0.2  # s for which trouble with the IMU degrades the health
_AHEAD = 0.05  # s by which feet may be newer than the last IMU reading
_SURPRISED = 3.0  # times the expected squared distance
_DISTRUST = 5.0  # m/s^2 and rad/s, standard deviations of the motion during a gap


class LeggedFilter:
    """Implements `StateFilter` for a legged robot, from `Imu` and `Feet`.

    It starts at rest with yaw 0, position 0 and the tilt by the specific force of the first IMU
    reading; `start` begins elsewhere. Readings of the feet correct it while they stand.

    Args:
        config: what is known beforehand.
    """

    # s, stamps of the first and last feet ahead of the IMU; one alone may have a wrong stamp
    _ahead_since: float
    _ahead_until: float

    def __init__(self, config: LeggedConfig = LeggedConfig()) -> None:
        self.config = config
        self._check = ImuCheck(config.imu)
        self._parameters = parameters(config)
        self._feet = config.feet
        size = error_size(config.feet)
        self._timeline = Timeline(config.history, MOMENT, size, config.horizon)
        self._imu_event = RecordBuffer(np.zeros(1, EVENT))
        self._feet_event = RecordBuffer(np.zeros(1, EVENT))
        self._imu_event.columns["kind"][:] = IMU
        self._feet_event.columns["kind"][:] = FEET
        self._reading: Float = np.zeros((1, 6))
        self._summary: Float = np.zeros(7)
        self.reset()

    def reset(self) -> None:
        """Forgets everything; the next IMU reading starts anew."""
        self._check.reset()
        self._started = False
        self._found = FINE  # what the last IMU reading was found to be
        self._trouble, self._trouble_since = "", -math.inf
        self._newest = 0.0  # s, stamp of the last IMU reading that was used
        self._heard()

    def _heard(self) -> None:
        """Notes that the IMU can be used, and counts anew for how long it cannot."""
        self._unusable_for = 0.0  # s, by the stamps of its own readings
        self._ahead_since, self._ahead_until = math.inf, 0.0

    def start(
        self, stamp: float, attitude: Float, velocity: Float | None = None, sure: bool = False
    ) -> None:
        """Starts from a given state.

        Args:
            stamp: s.
            attitude: (4,) body to world, wxyz.
            velocity: (3,) m/s, world frame; zero by default.
            sure: take it as exact rather than with `tilt_std` and `velocity_std`.
        """
        config = self.config
        x, std = np.zeros(1, STATE)[0], np.zeros(error_size(config.feet))
        x["stamp"] = x["last_feet"] = stamp
        x["surprise"] = 1.0
        x["rotation"] = quaternion_to_matrix(attitude / np.linalg.norm(attitude))
        if velocity is not None:
            x["velocity"] = velocity
        tilt, speed = (1e-3, 1e-2) if sure else (config.tilt_std, config.velocity_std)
        std[0:2] = tilt
        std[D.velocity : D.position] = speed
        std[-6:-3] = config.gyro_bias_std
        std[-3:] = config.accel_bias_std
        self._timeline.start(stamp, IMU, x, np.diag(std**2))
        self._newest = stamp
        self._heard()
        self._started = True

    def predict(self, imu: Imu) -> None:
        """Propagates to the time of an IMU reading; one that cannot be true is left out."""
        self._reading[0, :3], self._reading[0, 3:] = imu.gyro, imu.accel
        self.predict_burst(self._reading, imu.stamp, 0.0)

    def predict_burst(self, readings: Float, newest: float, period: float) -> None:
        """Propagates through a burst of IMU readings; one that cannot be true is left out.

        Readings in a row that nothing is wrong with take one compiled step.

        Args:
            readings: (n, 6) gyroscope, rad/s, and accelerometer, m/s^2, the oldest first; float64
                and C-contiguous, else they are compiled for anew.
            newest: s, stamp of the last.
            period: s between two readings.
        """
        line, check, count, done = self._timeline, self._check, len(readings), 0
        while done < count:
            first, before = done, check.newest
            done, found = take_readings(
                check.state,
                check.settings,
                readings,
                first,
                newest,
                period,
                line.numbers,
                line.covariances,
                line.span,
                self._parameters,
                self._started,
            )
            stamp, self._found = newest + (done - count) * period, found
            if found == FINE and self._started:
                self._newest = stamp
                self._heard()
                return
            if done - first > 1:  # nothing was wrong with those before the last
                self._newest = before = newest + (done - 1 - count) * period
                self._heard()
            self._take_odd(found, stamp, readings[done - 1], before)

    def _take_odd(self, found: int, stamp: float, reading: Float, before: float) -> None:
        """Takes in the first IMU reading, one after lost ones or a gap, or leaves one out.

        Args:
            found: what it was found to be.
            stamp: s.
            reading: (6,) rad/s and m/s^2.
            before: s, stamp of the last reading whose time was right.
        """
        check = self._check
        if found != FINE:
            self._trouble, self._trouble_since = REASONS[found], self._newest
        if found > LAST_USABLE:
            passed = check.newest - before
            if passed > 0.0:  # neither NaN, as for the first, nor back to another clock
                self._unusable_for += passed
            return
        self._heard()
        if not self._started:
            self._begin(stamp, reading[3:])
            return
        dt, gap = float(check.state[S.dt]), float(check.state[S.gap])
        if gap:
            self._bridge(stamp - dt, gap)
        event = self._imu_event.columns
        event["stamp"][0] = self._newest = stamp
        event["gyro"][0], event["accel"][0] = reading[:3], reading[3:]
        event["lost"][0] = dt if found == DROPOUT else 0.0
        self._take(self._imu_event)

    def update(self, measurement: Measurement) -> bool:
        """Corrects with a reading of the feet.

        Returns:
            Whether any foot was believed.
        """
        if not isinstance(measurement, Feet) or not self._started:
            return False
        stamp = measurement.stamp
        if not stamp - self._newest < _AHEAD:  # the estimate is out of date
            if self._found <= LAST_USABLE:  # else `_trouble` says already what is wrong
                self._trouble = GAP
            self._trouble_since = self._newest
            if math.isfinite(stamp):
                if stamp < self._ahead_since:
                    self._ahead_since = stamp
                self._ahead_until = stamp
            return False
        self._ahead_since = math.inf
        event = self._feet_event.columns
        event["stamp"][0] = stamp
        event["positions"][0, : self._feet] = measurement.position
        event["contact"][0, : self._feet] = measurement.contact
        return self._take(self._feet_event) > 0

    @property
    def _imu_is_gone(self) -> bool:
        """Returns whether the last usable IMU reading is older than `longest_gap`."""
        ahead = self._ahead_until - self._ahead_since + _AHEAD
        return max(self._unusable_for, ahead) > self.config.longest_gap

    def _take(self, event: RecordBuffer) -> int:
        line = self._timeline
        new = event.numbers
        return take_in(line.numbers, line.covariances, line.span, new, self._parameters)

    def _begin(self, stamp: float, accel: Float) -> None:
        """Starts with the tilt that the accelerometer shows."""
        if np.linalg.norm(accel) > 1.0:  # else it falls freely, and no vertical is to be seen
            self.start(stamp, matrix_to_quaternion(tilt_from_gravity(accel)))

    def _bridge(self, stamp: float, gap: float) -> None:
        """Continues at another time after a gap of which nothing is known."""
        x, covariance = self._timeline.state.copy(), self._timeline.covariance.copy()
        x["last_feet"] += stamp - x["stamp"]
        x["stamp"] = stamp
        x["rest"] = np.zeros((), x["rest"].dtype)  # after a gap nothing is known of it
        gap = min(gap, 10.0)
        for foot in range(self._feet):
            x["feet"][foot]["active"] = 0.0
            forget_foot(covariance, foot)
        index = np.arange(3)
        turn, speed = min(_DISTRUST * gap, 1.0), _DISTRUST * gap
        covariance[index, index] += turn**2
        covariance[D.velocity + index, D.velocity + index] += speed**2
        covariance[D.position + index, D.position + index] += (speed * gap) ** 2
        self._timeline.start(stamp, IMU, x, covariance)

    @property
    def estimate(self) -> Estimate:
        """Returns the newest state."""
        if not self._started:
            return self._nothing()
        x, covariance = self._timeline.state, self._timeline.covariance
        _, health, reason = self.summary()
        return Estimate(
            stamp=float(x["stamp"]),
            attitude=matrix_to_quaternion(x["rotation"]),
            velocity=x["velocity"].copy(),
            position=x["position"].copy(),
            gyro_bias=x["gyro_bias"].copy(),
            accel_bias=x["accel_bias"].copy(),
            covariance=world_covariance(x["velocity"], x["position"], covariance),
            health=health,
            reason=reason,
        )

    def summary(self) -> tuple[Float, Health, str]:
        """Returns the part of the newest state that a control loop needs, faster than `estimate`.

        Returns:
            (7,) the attitude, wxyz, and the velocity in the body frame, m/s, in a buffer that the
            next call overwrites; the health, and why it is not good.
        """
        line, summary = self._timeline, self._summary
        if not self._started:
            summary[:] = 0.0
            summary[0] = 1.0
            return summary, *self._unstarted_health()
        found = summarize(line.numbers, line.covariances, line.span, summary)
        return summary, *self._health(*found)

    def _unstarted_health(self) -> tuple[Health, str]:
        reason = REASONS[self._found]
        wrong = reason in WRONG_UNITS or self._imu_is_gone
        return Health.LOST if wrong else Health.INITIALISING, reason or NO_READING

    def _nothing(self) -> Estimate:
        health, reason = self._unstarted_health()
        zero = np.zeros(3)
        return Estimate(
            stamp=0.0,
            attitude=np.array([1.0, 0.0, 0.0, 0.0]),
            velocity=zero,
            position=zero,
            gyro_bias=zero,
            accel_bias=zero,
            covariance=np.eye(9) * 1e6,
            health=health,
            reason=reason,
        )

    def _health(
        self,
        tilt: float,
        speed: float,
        settled: float,
        all_slip: float,
        no_foot: float,
        silent: float,
        surprise: float,
    ) -> tuple[Health, str]:
        """Returns the health, and why it is not good, by what `summarize` returns."""
        config, reason = self.config, REASONS[self._found]
        if reason in WRONG_UNITS:
            return Health.LOST, reason
        if not (math.isfinite(tilt) and math.isfinite(speed)):
            return Health.LOST, STATE_UNKNOWN
        if self._imu_is_gone:
            return Health.LOST, self._trouble
        if not settled:
            return Health.INITIALISING, SETTLING
        if tilt > config.lost_tilt or speed > config.lost_velocity:
            return Health.LOST, STATE_UNKNOWN
        if self._found > LAST_USABLE or self._newest - self._trouble_since < _TROUBLE_TIME:
            return Health.DEGRADED, self._trouble
        if all_slip > 0.0:
            return Health.DEGRADED, ALL_SLIP
        if max(no_foot, silent) > config.airborne:
            return Health.DEGRADED, NO_FOOT
        if surprise > _SURPRISED:
            return Health.DEGRADED, CONTRADICTION
        if tilt > config.good_tilt or speed > config.good_velocity:
            return Health.DEGRADED, UNSURE
        return Health.GOOD, ""
