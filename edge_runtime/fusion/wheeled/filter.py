"""Estimates the car's state from IMU, wheel speeds, steering, GNSS and lidar odometry.

An error-state Kalman filter: Solà, "Quaternion kinematics for the error-state Kalman filter",
arXiv 1711.02508, 2017, with the car's constraints as in Dissanayake et al., "The aiding of a
low-cost strapdown inertial measurement unit using vehicle model constraints", T-RA 17(5), 2001.
DERIVATION.md derives the equations of `equations`, `constraints` and `gnss`; `state` names the
fields of their records, and `timeline` puts late measurements in their place.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edge_runtime.fusion.compiled import Record, RecordBuffer
from edge_runtime.fusion.estimate import ContinuousPose, Estimate, Health
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.lie import (
    matrix_to_quaternion,
    so3_exp,
    so3_log,
    tilt_from_gravity,
    times,
)
from edge_runtime.fusion.measurement import Displacement, GnssFix, Imu, Measurement, Wheels
from edge_runtime.fusion.plausibility import WRONG_UNITS, ImuCheck
from edge_runtime.fusion.timeline import Timeline
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.drift import drift_covariance, go_astray
from edge_runtime.fusion.wheeled.state import (
    BROKEN,
    CALIBRATION,
    EVENT,
    GNSS,
    IMU,
    MOMENT,
    MOTION,
    STATE,
    TIMES,
    WHEELS,
    D,
    certainty,
    constants,
)
from edge_runtime.fusion.wheeled.steps import take_in
from edge_runtime.signals import Float

_A_CAR = WheeledConfig()
_AT_REST = (0.6 * GRAVITY, 1.4 * GRAVITY)  # a first reading outside shows no vertical
_SHAKEN = 0.5  # s for which trouble of the IMU degrades the health
NO_READING = "no IMU reading yet"
NO_VERTICAL = "no IMU reading so far shows the vertical"
HEADING_UNKNOWN = "the heading is not known until GNSS sees the car move"
VELOCITY_UNKNOWN = "the velocity is not known"
NO_WHEELS = "no believed wheels lately"
_UNKNOWN = 1e6  # variance of what is not known yet
_UP = np.array([0.0, 0.0, 1.0])
# Standard deviations of a car's motion during a gap: m/s^2, and rad/s of yaw and of tilt.
_PUSH, _SPIN, _LEAN = 1.4, 0.3, 0.05


def _first_tilt(accel: Float, config: WheeledConfig) -> tuple[Float, float]:
    """Returns the first attitude, (3, 3) of yaw 0, and the standard deviation of its tilt, rad.

    It is a weighted mean of the accelerometer's vertical, which is wrong while the car accelerates,
    and the car's own, which is wrong on a slope.
    """
    pushed = config.start_push / GRAVITY
    share = config.tilt_std**2 / (config.tilt_std**2 + pushed**2)
    tilt = so3_log(np.ascontiguousarray(tilt_from_gravity(accel)))
    return so3_exp(tilt * share), math.sqrt(share) * pushed


def _add(x: Record, name: str, seconds: float) -> None:
    """Adds seconds to a time, or to all times of a sensor."""
    for part in x[name].dtype.names or ():
        x[name][part] += seconds
    if not x[name].dtype.names:
        x[name] += seconds


class WheeledFilter:
    """Implements `StateFilter` for a car, from `Imu`, `Wheels`, `GnssFix` and `Displacement`.

    It starts with the first IMU reading, at any speed. Body velocity is known from the first wheel
    speeds on; velocity and position in the world, once GNSS has shown the heading of a moving car.
    Until then the start is the world's origin, and it is INITIALISING; a car that has no GNSS is
    judged by its velocity and tilt alone. Either is LOST once its velocity is not known.

    Args:
        config: the car and its sensors.
        gnss: whether it has GNSS to wait for.
    """

    def __init__(self, config: WheeledConfig = _A_CAR, *, gnss: bool = True) -> None:
        self.config = config
        self._has_gnss = gnss
        self._constants = constants(config)
        self._line = Timeline(config.capacity, MOMENT, D.size, config.horizon)
        self._incoming = RecordBuffer(np.zeros(1, EVENT))
        self._writers: Mapping[type, Callable[[Any], bool]] = {
            Wheels: self._write_wheels,
            GnssFix: self._write_fix,
            Displacement: self._write_motion,
        }
        self._check = ImuCheck(config.imu)
        self.reset()

    def reset(self) -> None:
        """Forgets everything; the next IMU reading starts anew."""
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
        self._odometry = np.zeros(6)  # as `move_on` takes it
        self._drift = np.zeros((6, 3))  # as `drift_on` takes it

    def predict(self, imu: Imu) -> None:
        """Propagates to the time of an IMU reading; one that cannot be true is left out."""
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
        event = self._incoming.columns
        event["stamp"][0], event["kind"][0] = imu.stamp, IMU
        event["gyro"][0], event["accel"][0] = imu.gyro, imu.accel
        self._take_in()

    def update(self, measurement: Measurement) -> bool:
        """Corrects with wheels, GNSS or lidar odometry.

        Returns:
            Whether it was believed.
        """
        stamp = measurement.stamp
        if not self._started or not math.isfinite(stamp):
            return False
        if stamp > self._imu_stamp + self.config.horizon:
            if not self._waiting_since <= stamp:  # also NaN
                self._waiting_since = stamp
            self._waiting_until = stamp
            return False
        self._incoming.columns["stamp"][0] = stamp
        write = self._writers.get(type(measurement))
        return write is not None and write(measurement) and self._take_in()

    def _write_wheels(self, wheels: Wheels) -> bool:
        event, count = self._incoming.columns, len(self.config.wheels)
        if len(wheels.speed) != count:
            return False
        event["kind"][0], event["steering"][0] = WHEELS, wheels.steering
        event["wheel_speed"][0, :count] = wheels.speed
        return True

    def _is_frozen(self, fix: GnssFix) -> bool:
        """Returns whether a receiver repeats one place while the car drives on."""
        place = tuple(fix.position.tolist())
        same, self._place = place == self._place, place
        vx, vy = self.state["velocity"][:2].tolist()
        return same and math.hypot(vx, vy) > self.config.heading_speed

    def _write_fix(self, fix: GnssFix) -> bool:
        if self._is_frozen(fix):
            return False
        event = self._incoming.columns
        event["kind"][0] = GNSS
        event["position"][0], event["std"][0] = fix.position, fix.std
        event["velocity_std"][0] = fix.velocity_std
        event["velocity"][0] = math.nan if fix.velocity is None else fix.velocity
        return True

    def _write_motion(self, motion: Displacement) -> bool:
        """Writes it as mean velocities, half way between the two moments."""
        span = motion.stamp - motion.since
        values = float(motion.motion.sum() + motion.covariance.sum())
        if not (0.0 < span <= self.config.horizon and math.isfinite(values)):
            return False
        event = self._incoming.columns
        half = 0.5 * float(motion.motion[2])
        cosine, sine = math.cos(half), math.sin(half)
        # Half way the body is turned by half; its velocities there, as independent combinations.
        turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        variances, factors = np.linalg.eigh(turn @ motion.covariance @ turn.T)
        if not variances[0] > 0.0:
            return False
        event["stamp"][0], event["kind"][0] = motion.stamp - 0.5 * span, MOTION
        event["motion"][0] = factors.T @ turn @ motion.motion / span
        event["motion_std"][0] = np.sqrt(variances) / span
        event["factors"][0] = factors.T
        return True

    def _take_in(self) -> bool:
        line = self._line
        result = take_in(
            line.numbers,
            line.covariances,
            line.span,
            self._incoming.numbers,
            self._constants,
            self._odometry,
            self._drift,
        )
        if result == BROKEN:
            self._broken, self._started = True, False
        return result == 1

    def _start(self, imu: Imu, known: Record | None = None, spread: Float | None = None) -> None:
        """Begins at rest or moving; `known` and `spread` are a state whose calibration holds."""
        if not _AT_REST[0] < float(np.linalg.norm(imu.accel)) < _AT_REST[1]:
            return
        config = self.config
        x, std = np.zeros(1, STATE)[0], np.zeros(D.size)
        tilt, tilt_std = _first_tilt(imu.accel, config)
        x["attitude"] = matrix_to_quaternion(tilt)
        x["wheel_scale"] = 1.0
        x["gyro"], x["accel"] = imu.gyro, imu.accel
        for name in (*TIMES, "anchor", "pivot"):
            _add(x, name, math.nan)
        x["begun"] = x["read"] = imu.stamp
        std[D.angle : D.velocity] = tilt_std, tilt_std, 1e-6
        std[D.velocity : D.position] = 15.0, 15.0, 1.0
        std[D.position : D.gyro_bias] = 0.01
        std[D.gyro_bias : D.accel_bias] = config.gyro_bias_std
        std[D.accel_bias : D.wheel_scale] = config.accel_bias_std
        std[D.wheel_scale], std[D.wheel_offset] = config.wheel_scale_std, config.wheel_offset_std
        std[D.mount_pitch] = std[D.mount_yaw] = config.mount_std
        std[D.steering_offset], std[D.delay] = config.steering_std, config.delay_std
        std[D.wander : D.delay] = config.wander_std
        cov = np.diag(std**2)
        if known is not None and spread is not None:
            for name in CALIBRATION:
                x[name] = known[name]
            kept = [*range(D.gyro_bias, D.wander), D.delay]
            cov[np.ix_(kept, kept)] = spread[np.ix_(kept, kept)]
        self._line.start(imu.stamp, IMU, x, cov)
        self._imu_stamp = imu.stamp
        self._odometry[3] = self._odometry[4]  # the heading of the state is 0
        self._started, self._broken = True, False

    def _bridge(self, imu: Imu, gap: float) -> None:
        """Continues after a gap of which nothing is known, perhaps on another clock."""
        x, cov = self.state.copy(), self.covariance.copy()
        moved, anew = x["velocity"] * gap, gap > self.config.longest_gap
        astray = _PUSH * gap * gap + (math.hypot(*moved) if anew else 0.0)
        go_astray(self._drift, astray, _SPIN * gap)
        if anew:
            self._start(imu, x, cov)
            return
        for name in TIMES:
            _add(x, name, imu.stamp - gap - self._line.stamp)
        x["position"] += moved
        self._odometry[:3] += so3_exp(self._odometry[3] * _UP) @ moved
        push = (_PUSH * gap) ** 2
        for i in range(3):
            cov[D.angle + i, D.angle + i] += ((_SPIN if i == 2 else _LEAN) * gap) ** 2
            cov[D.velocity + i, D.velocity + i] += push
            cov[D.position + i, D.position + i] += push * gap * gap
        x["gyro"], x["accel"], x["change"] = imu.gyro, imu.accel, 0.0
        x["read"] = imu.stamp
        self._line.start(imu.stamp, IMU, x, cov)
        self._imu_stamp = imu.stamp

    @property
    def state(self) -> Record:
        """Returns the newest nominal state, a `STATE`; do not write."""
        return self._line.state

    @property
    def covariance(self) -> Float:
        """Returns the covariance of the newest error state, (D.size, D.size); do not write."""
        return self._line.covariance

    @property
    def odometry(self) -> ContinuousPose:
        """Returns the pose in a frame that begins with the car and never jumps (REP-105).

        It is moved by IMU, wheels and lidar odometry alone; GNSS never moves it, nor a correction
        of what was long ago. So it drifts where the `estimate` does not.
        """
        x, y, z, offset, *_ = self._odometry.tolist()
        w, i, j, k = self.state["attitude"].tolist() if self._started else (1.0, 0.0, 0.0, 0.0)
        c, s = math.cos(0.5 * offset), math.sin(0.5 * offset)
        turned = np.array(times(c, 0.0, 0.0, s, w, i, j, k))
        return ContinuousPose(turned, np.array([x, y, z]), drift_covariance(self._drift))

    @property
    def estimate(self) -> Estimate:
        """Returns the newest state."""
        x, cov, stamp = self.state, self.covariance, self._line.stamp
        health, reason = self.judge()
        if not self._started:
            x, cov, stamp = np.zeros(1, STATE)[0], _UNKNOWN * np.eye(D.size), self._imu_stamp
            x["attitude"][0] = 1.0
        return Estimate(
            stamp=stamp,
            attitude=x["attitude"].copy(),
            velocity=x["velocity"].copy(),
            position=x["position"].copy(),
            gyro_bias=x["gyro_bias"].copy(),
            accel_bias=x["accel_bias"].copy(),
            covariance=cov[:9, :9].copy(),
            health=health,
            reason=reason,
            odometry=self.odometry,
        )

    def judge(self) -> tuple[Health, str]:
        """Returns the health of the newest state, and why it is not GOOD."""
        config = self.config
        if self._broken:
            return Health.LOST, "the estimate diverged; it starts anew"
        if self._trouble in WRONG_UNITS:
            return Health.LOST, self._trouble
        if not self._started:
            unseen = math.isnan(self._imu_stamp) and math.isnan(self._check.newest)
            return Health.INITIALISING, self._trouble or (NO_READING if unseen else NO_VERTICAL)
        silent = self._unusable * self._period
        if not math.isnan(self._waiting_since):
            waiting = self._waiting_until - self._waiting_since
            silent = max(silent, waiting + config.horizon)
        if silent > config.imu.longest_bridge:
            worst = Health.LOST if silent > config.longest_gap else Health.DEGRADED
            reason = self._trouble if self._unusable else "the IMU is silent"
            return worst, f"{reason}, for {silent:.1f} s now"
        line = self._line
        known, now, fix_age, wheels_age, velocity, in_body, position, heading, tilt = certainty(
            line.numbers, line.covariances, line.span
        )
        no_wheels = (wheels_age > 0.25 * config.silent, NO_WHEELS)
        if not known:
            # Velocity in the world is not known either, but in the body.
            vague = in_body > config.degraded_velocity
            return self._start_health(now, in_body) or self._degraded(
                now,
                no_wheels,
                (vague, f"the velocity is known to {in_body:.1f} m/s"),
                (tilt > config.degraded_tilt, f"the tilt is known to {tilt:.2f} rad"),
            )
        if velocity > config.lost_velocity:
            return Health.LOST, VELOCITY_UNKNOWN
        if position > config.lost_position:
            return Health.LOST, f"the position is known to {position:.0f} m"
        return self._degraded(
            now,
            (fix_age > config.silent, "no believed GNSS fix lately"),
            no_wheels,
            (velocity > config.degraded_velocity, f"the velocity is known to {velocity:.1f} m/s"),
            (position > config.degraded_position, f"the position is known to {position:.1f} m"),
            (heading > config.degraded_heading, f"the heading is known to {heading:.2f} rad"),
        )

    def _start_health(self, now: float, velocity: float) -> tuple[Health, str] | None:
        """Returns the health while the heading is unknown; None if a car without GNSS is sound.

        Args:
            now: s.
            velocity: m/s, standard deviation in the body.
        """
        config, x = self.config, self.state
        begun = float(x["begun"])
        silent = now - np.fmax(begun, np.fmax(x["wheels"]["believed"], x["motion_seen"]))
        unknown = velocity > config.lost_velocity
        # Wheels have a moment to come first. Later, nothing else bounds what a wrong tilt adds.
        awaited = now - begun <= config.silent
        if (unknown and not awaited) or silent > 2.0 * config.silent:
            return Health.LOST, VELOCITY_UNKNOWN
        if unknown or (self._has_gnss and silent > config.silent):
            return Health.INITIALISING, VELOCITY_UNKNOWN
        return (Health.INITIALISING, HEADING_UNKNOWN) if self._has_gnss else None

    def _degraded(self, now: float, *doubts: tuple[bool, str]) -> tuple[Health, str]:
        """Returns DEGRADED by the first true doubt or recent trouble of the IMU, else GOOD."""
        shaken = bool(self._trouble) and now - self._trouble_stamp < _SHAKEN
        for true, reason in (*doubts, (shaken, self._trouble)):
            if true:
                return Health.DEGRADED, reason
        return Health.GOOD, ""
