"""The car's state from IMU, wheel speeds, steering, GNSS and lidar odometry.

An error-state Kalman filter: Solà, "Quaternion kinematics for the error-state Kalman filter",
arXiv 1711.02508, 2017, with the car's constraints as in Dissanayake et al., "The aiding of a
low-cost strapdown inertial measurement unit using vehicle model constraints", T-RA 17(5), 2001.
The equations are in `wheeled_equations`, `wheeled_constraints` and `wheeled_gnss`, their arrays
in `wheeled_state`, late measurements in `timeline`.
"""

import math

import numpy as np

from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.lie import (
    matrix_to_quaternion,
    quaternion_to_matrix,
    skew,
    so3_exp,
    so3_log,
    tilt_from_gravity,
)
from edge_runtime.fusion.measurement import Displacement, Float, Gnss, Imu, Measurement, Wheels
from edge_runtime.fusion.plausibility import GRAVITY, WRONG_UNITS, ImuCheck
from edge_runtime.fusion.timeline import PAYLOAD, Timeline
from edge_runtime.fusion.wheeled import state as at
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.constants import numbers
from edge_runtime.fusion.wheeled.steps import take_in

__all__ = ["WheeledConfig", "WheeledFilter"]


_A_CAR = WheeledConfig()
_TIMES = (
    *(at.STILL_SINCE, at.WHEELS_SEEN, at.WHEELS_BELIEVED, at.WHEELS_REFUSED),
    *(at.FIX_SEEN, at.FIX_BELIEVED, at.FIX_REFUSED),
    *(at.VELOCITY_SEEN, at.VELOCITY_BELIEVED, at.VELOCITY_REFUSED, at.MOTION_SEEN, at.BEGUN),
)
_AT_REST = (0.6 * GRAVITY, 1.4 * GRAVITY)  # a first reading outside does not tell what is down
_SHAKEN = 0.5  # s for which trouble of the IMU is told
NO_READING = "no IMU reading yet"
NOTHING_IS_DOWN = "no IMU reading so far tells what is down"
HEADING_UNKNOWN = "the heading is not known until GNSS sees the car move"
VELOCITY_UNKNOWN = "the velocity is not known"
NO_WHEELS = "no believed wheels lately"
UNKNOWN = 1e6  # variance of what is not known yet
# What a car does while nobody looks, standard deviations: m/s^2, and rad/s of yaw and of tilt.
_PUSH, _SPIN, _LEAN = 1.4, 0.3, 0.05


def _first_tilt(accel: Float, config: WheeledConfig) -> tuple[Float, float]:
    """Attitude (3, 3) of yaw 0 and its standard deviation.

    Between what the accelerometer says is up, which is wrong while the car is pushed, and the
    car's own upright, which is wrong on a slope, as either is likely.
    """
    pushed = config.start_push / GRAVITY
    share = config.tilt_std**2 / (config.tilt_std**2 + pushed**2)
    tilt = so3_log(np.ascontiguousarray(tilt_from_gravity(accel)))
    return so3_exp(tilt * share), math.sqrt(share) * pushed


class WheeledFilter:
    """An `Estimator` of a car.

    It starts with the first IMU reading, at any speed. Body velocity is right as soon as a wheel
    has spoken; velocity and position in the world, when GNSS has told the heading of a car that
    moves. Until then the start is the world's origin, and it is INITIALISING; a car that has no
    GNSS is judged by its velocity and tilt alone. Either is LOST once its velocity is not known.

    Args:
        config: the car and its sensors.
        gnss: whether it has GNSS to wait for.
    """

    def __init__(self, config: WheeledConfig = _A_CAR, *, gnss: bool = True) -> None:
        self.config = config
        self._has_gnss = gnss
        self._c = numbers(config)
        self._wheels = np.array(config.wheels, dtype=np.float64).reshape(-1, 2)
        self._line = Timeline(config.capacity, at.EVENT, at.STATE, at.ERROR, config.horizon)
        self._event = np.zeros(at.EVENT)
        self._check = ImuCheck(config.imu)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._check.reset()
        self._started = False
        self._imu_stamp = math.nan  # of the last reading used
        # Stamps of the measurements that come while the IMU is silent.
        self._waiting_since = self._waiting_until = math.nan
        self._period = 0.0  # s between IMU readings
        self._unusable = 0  # IMU readings in a row
        self._trouble = ""  # of the IMU
        self._trouble_stamp = math.nan
        self._broken = False
        self._place = (math.nan,) * 3  # of the last fix

    def predict(self, imu: Imu) -> None:
        """Go forward to the time of an IMU reading."""
        verdict = self._check.check(imu)
        if verdict.reason:
            self._trouble, self._trouble_stamp = verdict.reason, self._imu_stamp
        if not verdict.usable:
            self._unusable += 1
            return
        self._unusable = 0
        self._waiting_since = math.nan
        if not self._started:
            self._start(imu)
            return
        if verdict.gap:
            self._bridge(imu, verdict.gap)
            self._trouble_stamp = imu.stamp  # perhaps on another clock
            return
        self._period, self._imu_stamp = verdict.dt, imu.stamp
        event = self._event
        event[0] = imu.stamp
        event[1] = at.IMU
        event[PAYLOAD : PAYLOAD + 3] = imu.gyro
        event[PAYLOAD + 3 : PAYLOAD + 6] = imu.accel
        self._take_in()

    def update(self, measurement: Measurement) -> bool:
        """Correct with wheels, GNSS or lidar odometry; False if it was not believed."""
        stamp = measurement.stamp
        if not self._started or not math.isfinite(stamp):
            return False
        if stamp > self._imu_stamp + self.config.horizon:
            if not self._waiting_since <= stamp:  # also NaN
                self._waiting_since = stamp
            self._waiting_until = stamp
            return False
        event = self._event
        event[0] = stamp
        if isinstance(measurement, Wheels):
            if not self._put_wheels(measurement):
                return False
        elif isinstance(measurement, Gnss):
            if self._is_frozen(measurement):
                return False
            self._put_gnss(measurement)
        elif isinstance(measurement, Displacement):
            if not self._put_motion(measurement):
                return False
        else:
            return False
        return self._take_in()

    def _put_wheels(self, wheels: Wheels) -> bool:
        event, count = self._event, len(self._wheels)
        if len(wheels.speed) != count:
            return False
        event[1] = at.WHEELS
        event[PAYLOAD] = count
        event[PAYLOAD + 1] = wheels.steering
        event[PAYLOAD + 2 : PAYLOAD + 2 + count] = wheels.speed
        return True

    def _is_frozen(self, fix: Gnss) -> bool:
        """Whether a receiver gives one and the same place while the car drives on."""
        place = tuple(fix.position.tolist())
        same, self._place = place == self._place, place
        vx, vy = self.state[at.V : at.V + 2].tolist()
        return same and math.hypot(vx, vy) > self.config.heading_speed

    def _put_gnss(self, fix: Gnss) -> None:
        event = self._event
        event[1] = at.GNSS
        event[PAYLOAD : PAYLOAD + 3] = fix.position
        event[PAYLOAD + 3 : PAYLOAD + 6] = fix.std
        event[PAYLOAD + 6 : PAYLOAD + 9] = math.nan if fix.velocity is None else fix.velocity
        event[PAYLOAD + 9] = fix.velocity_std
        # What is infinite was not measured; a receiver that claims nothing is not trusted far.
        event[PAYLOAD:][~np.isfinite(event[PAYLOAD:])] = math.nan
        claims = event[PAYLOAD + 3 : PAYLOAD + 6]
        claims[~(claims > 0.0)] = 10.0
        if not event[PAYLOAD + 9] > 0.0:
            event[PAYLOAD + 9] = 1.0

    def _put_motion(self, motion: Displacement) -> bool:
        """As mean velocities, half way between the two moments."""
        span = motion.stamp - motion.since
        values = float(motion.motion.sum() + motion.covariance.sum())
        if not (0.0 < span <= self.config.horizon and math.isfinite(values)):
            return False
        event = self._event
        half = 0.5 * float(motion.motion[2])
        cosine, sine = math.cos(half), math.sin(half)
        # Half way the body is turned by half; its velocities there, as independent combinations.
        turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        variances, factors = np.linalg.eigh(turn @ motion.covariance @ turn.T)
        if not variances[0] > 0.0:
            return False
        event[0] = motion.stamp - 0.5 * span
        event[1] = at.MOTION
        event[PAYLOAD : PAYLOAD + 3] = factors.T @ turn @ motion.motion / span
        event[PAYLOAD + 3 : PAYLOAD + 6] = np.sqrt(variances) / span
        event[PAYLOAD + 6 : PAYLOAD + 15] = factors.T.ravel()
        return True

    def _take_in(self) -> bool:
        line = self._line
        result = take_in(
            line.events,
            line.states,
            line.covariances,
            line.span,
            self._event,
            self._c,
            self._wheels,
        )
        if result == at.BROKEN:
            self._broken, self._started = True, False
        return result == 1

    def _start(self, imu: Imu, known: Float | None = None, spread: Float | None = None) -> None:
        """Begin at rest or moving; `known` and `spread` are a state whose calibration holds."""
        if not _AT_REST[0] < float(np.linalg.norm(imu.accel)) < _AT_REST[1]:
            return
        config = self.config
        x, cov = np.zeros(at.STATE), np.zeros((at.ERROR, at.ERROR))
        tilt, tilt_std = _first_tilt(imu.accel, config)
        x[at.Q : at.Q + 4] = matrix_to_quaternion(tilt)
        x[at.SCALE] = 1.0
        x[at.GYRO : at.GYRO + 3], x[at.ACCEL : at.ACCEL + 3] = imu.gyro, imu.accel
        x[list(_TIMES)] = math.nan
        x[at.BEGUN] = imu.stamp
        x[at.ANCHOR : at.ANCHOR + 2] = math.nan
        std = np.zeros(at.ERROR)
        std[at.D_ANGLE : at.D_ANGLE + 3] = tilt_std, tilt_std, 1.8
        std[at.D_V : at.D_V + 3] = 15.0, 15.0, 1.0
        std[at.D_P : at.D_P + 3] = 0.01
        std[at.D_GYRO : at.D_GYRO + 3] = config.gyro_bias_std
        std[at.D_ACCEL : at.D_ACCEL + 3] = config.accel_bias_std
        std[at.D_SCALE], std[at.D_OFFSET] = config.wheel_scale_std, config.wheel_offset_std
        std[at.D_PITCH] = std[at.D_YAW] = config.mount_std
        std[at.D_STEERING], std[at.D_DELAY] = config.steering_std, config.delay_std
        std[at.D_WANDER : at.D_WANDER + 3] = config.wander_std
        np.fill_diagonal(cov, std**2)
        if known is not None and spread is not None:
            x[at.GYRO_BIAS : at.WANDER] = known[at.GYRO_BIAS : at.WANDER]
            x[at.DELAY] = known[at.DELAY]
            kept = [*range(at.D_GYRO, at.D_WANDER), at.D_DELAY]
            cov[np.ix_(kept, kept)] = spread[np.ix_(kept, kept)]
        self._line.start(imu.stamp, at.IMU, x, cov)
        self._imu_stamp = imu.stamp
        self._started, self._broken = True, False

    def _bridge(self, imu: Imu, gap: float) -> None:
        """Go on after a time of which nothing is known, perhaps on another clock."""
        newest = self._line.newest
        x, cov = self._line.states[newest].copy(), self._line.covariances[newest].copy()
        if gap > self.config.longest_gap:
            self._start(imu, x, cov)
            return
        x[list(_TIMES)] += imu.stamp - gap - self._line.events[newest, 0]
        x[at.P : at.P + 3] += x[at.V : at.V + 3] * gap
        push = (_PUSH * gap) ** 2
        for i in range(3):
            cov[at.D_ANGLE + i, at.D_ANGLE + i] += ((_SPIN if i == 2 else _LEAN) * gap) ** 2
            cov[at.D_V + i, at.D_V + i] += push
            cov[at.D_P + i, at.D_P + i] += push * gap * gap
        x[at.GYRO : at.GYRO + 3], x[at.ACCEL : at.ACCEL + 3] = imu.gyro, imu.accel
        self._line.start(imu.stamp, at.IMU, x, cov)
        self._imu_stamp = imu.stamp

    @property
    def state(self) -> Float:
        """The newest nominal state, as `wheeled_state` lays it out; do not write."""
        return self._line.states[self._line.newest]

    @property
    def covariance(self) -> Float:
        """Of the newest error state, as `wheeled_state` lays it out; do not write."""
        return self._line.covariances[self._line.newest]

    @property
    def estimate(self) -> Estimate:
        """The newest state."""
        x, cov = self.state, self.covariance
        health, reason = self.judge()
        stamp = self._line.events[self._line.newest, 0] if self._started else self._imu_stamp
        if not self._started:
            x, cov = np.zeros(at.STATE), UNKNOWN * np.eye(at.ERROR)
            x[at.Q] = 1.0
        return Estimate(
            stamp=float(stamp),
            attitude=x[at.Q : at.Q + 4].copy(),
            velocity=x[at.V : at.V + 3].copy(),
            position=x[at.P : at.P + 3].copy(),
            gyro_bias=x[at.GYRO_BIAS : at.GYRO_BIAS + 3].copy(),
            accel_bias=x[at.ACCEL_BIAS : at.ACCEL_BIAS + 3].copy(),
            covariance=cov[:9, :9].copy(),
            health=health,
            reason=reason,
        )

    def judge(self) -> tuple[Health, str]:
        """Health of the newest state, and why it is not GOOD."""
        config = self.config
        if self._broken:
            return Health.LOST, "the numbers ran away; it starts anew"
        if self._trouble in WRONG_UNITS:
            return Health.LOST, self._trouble
        if not self._started:
            unseen = math.isnan(self._imu_stamp) and math.isnan(self._check.newest)
            return Health.INITIALISING, self._trouble or (NO_READING if unseen else NOTHING_IS_DOWN)
        now = float(self._line.events[self._line.newest, 0])
        x, variance = self.state, self.covariance.diagonal()
        silent = self._unusable * self._period
        if not math.isnan(self._waiting_since):
            waiting = self._waiting_until - self._waiting_since
            silent = max(silent, waiting + config.horizon)
        if silent > config.imu.longest_bridge:
            worst = Health.LOST if silent > config.longest_gap else Health.DEGRADED
            reason = self._trouble if self._unusable else "the IMU is silent"
            return worst, f"{reason}, for {silent:.1f} s now"
        if x[at.HEADING_KNOWN] == 0.0:
            return self._judge_body(now, x)
        velocity = math.sqrt(max(variance[at.D_V : at.D_V + 3]))
        if velocity > config.lost_velocity:
            return Health.LOST, VELOCITY_UNKNOWN
        position = math.sqrt(max(variance[at.D_P], variance[at.D_P + 1]))
        if position > config.lost_position:
            return Health.LOST, f"the position is known to {position:.0f} m"
        heading = math.sqrt(variance[at.D_ANGLE + 2])
        return self._degraded(
            now,
            (now - x[at.FIX_BELIEVED] > config.silent, "no believed GNSS fix lately"),
            (now - x[at.WHEELS_BELIEVED] > 0.25 * config.silent, NO_WHEELS),
            (velocity > config.degraded_velocity, f"the velocity is known to {velocity:.1f} m/s"),
            (position > config.degraded_position, f"the position is known to {position:.1f} m"),
            (heading > config.degraded_heading, f"the heading is known to {heading:.2f} rad"),
        )

    def _judge_body(self, now: float, x: Float) -> tuple[Health, str]:
        """While the heading is not known: velocity in the world is not either, but in the body."""
        config = self.config
        velocity = self._body_velocity_std(x)
        begun = float(x[at.BEGUN])
        silent = now - np.fmax(begun, np.fmax(x[at.WHEELS_BELIEVED], x[at.MOTION_SEEN]))
        unknown = velocity > config.lost_velocity
        # Wheels get a moment to speak first. After them, nothing bounds what the tilt's error adds.
        awaited = now - begun <= config.silent
        if (unknown and not awaited) or silent > 2.0 * config.silent:
            return Health.LOST, VELOCITY_UNKNOWN
        if unknown or (self._has_gnss and silent > config.silent):
            return Health.INITIALISING, VELOCITY_UNKNOWN
        if self._has_gnss:
            return Health.INITIALISING, HEADING_UNKNOWN
        tilt = math.sqrt(max(self.covariance.diagonal()[at.D_ANGLE : at.D_ANGLE + 2]))
        return self._degraded(
            now,
            (now - x[at.WHEELS_BELIEVED] > 0.25 * config.silent, NO_WHEELS),
            (velocity > config.degraded_velocity, f"the velocity is known to {velocity:.1f} m/s"),
            (tilt > config.degraded_tilt, f"the tilt is known to {tilt:.2f} rad"),
        )

    def _body_velocity_std(self, x: Float) -> float:
        """m/s on the worst axis of the body, where errors of heading and velocity cancel."""
        to_body = quaternion_to_matrix(np.ascontiguousarray(x[at.Q : at.Q + 4])).T
        cross = skew(np.ascontiguousarray(x[at.V : at.V + 3]))
        jacobian = np.hstack([to_body @ cross, to_body])  # by the rotation, by the velocity
        variances = np.diagonal(jacobian @ self.covariance[: at.D_P, : at.D_P] @ jacobian.T)
        return math.sqrt(max(0.0, *variances.tolist()))

    def _degraded(self, now: float, *doubts: tuple[bool, str]) -> tuple[Health, str]:
        """By the first of the doubts that is true, or by recent trouble of the IMU."""
        shaken = bool(self._trouble) and now - self._trouble_stamp < _SHAKEN
        for true, reason in (*doubts, (shaken, self._trouble)):
            if true:
                return Health.DEGRADED, reason
        return Health.GOOD, ""
