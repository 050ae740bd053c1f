"""A walking robot's attitude, velocity and position from IMU and feet.

The contact-aided invariant extended Kalman filter: Hartley, Ghaffari, Eustice, Grizzle, IJRR
39(4), 2020. The equations are in `legged_equations`, contacts and slips in `legged_feet`, what
happens when in `legged_steps`, late measurements in `timeline`.
"""

import math
from collections.abc import Iterable

import numpy as np

from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.legged import state as layout
from edge_runtime.fusion.legged import steps
from edge_runtime.fusion.legged.config import LeggedConfig
from edge_runtime.fusion.legged.equations import forget_foot, world_covariance
from edge_runtime.fusion.lie import matrix_to_quaternion, quaternion_to_matrix, tilt_from_gravity
from edge_runtime.fusion.measurement import Feet, Float, Imu, Measurement
from edge_runtime.fusion.plausibility import DROPOUT, GAP, WRONG_UNITS, ImuCheck, Verdict
from edge_runtime.fusion.timeline import KIND, PAYLOAD, STAMP, Timeline

NO_READING = "no IMU reading yet"
SETTLING = "tilt and velocity are not yet known well"
UNSURE = "tilt or velocity is not known well"
UNKNOWN = "tilt or velocity is unknown"
NO_FOOT = "no foot stands"
ALL_SLIP = "every foot slips"
CONTRADICTION = "the feet contradict the IMU"
_TROUBLE_TIME = 0.2  # s for which trouble with the IMU degrades the health
_AHEAD = 0.05  # s by which feet may be newer than the last IMU reading
_SURPRISED = 3.0  # times the expected squared distance
_BURST = 8  # IMU readings taken in at once
_DISTRUST = 5.0  # m/s^2 and rad/s that a body may do during a gap


class LeggedFilter:
    """Estimates a legged robot's state; an `Estimator` of `Imu` and `Feet`.

    The first IMU reading tells the tilt by its specific force, at rest, yaw 0 and position 0;
    `start` begins elsewhere. Readings of the feet correct it while they stand.

    Args:
        config: what is known beforehand.
    """

    # s, stamps of the feet ahead of the IMU: of two, since one alone may have a wrong stamp
    _ahead_since: float
    _ahead_until: float

    def __init__(self, config: LeggedConfig = LeggedConfig()) -> None:
        self.config = config
        self._check = ImuCheck(config.imu)
        self._parameters = _parameters(config)
        self._error_size = 15 + 3 * config.feet
        self._feet = config.feet
        payload = max(layout.LOST + 1, 4 * config.feet)
        self._timeline = Timeline(
            config.history,
            PAYLOAD + payload,
            layout.state_size(config.feet),
            self._error_size,
            config.horizon,
        )
        self._imu_events: Float = np.zeros((_BURST, PAYLOAD + payload))
        self._imu_events[:, KIND] = layout.IMU
        self._feet_event: Float = np.zeros((1, PAYLOAD + payload))
        self._feet_event[0, KIND] = layout.FEET
        end = PAYLOAD + 3 * config.feet
        self._event_feet = self._feet_event[0, PAYLOAD:end].reshape(config.feet, 3)
        self._event_contact = self._feet_event[0, end : end + config.feet]
        self._summary: Float = np.zeros(9)
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next IMU reading starts anew."""
        self._check.reset()
        self._started = False
        self._verdict = Verdict(True, "", 0.0)
        self._trouble, self._trouble_since = "", -math.inf
        self._newest = 0.0  # s, stamp of the last IMU reading that was used
        self._heard()

    def _heard(self) -> None:
        """The IMU can be used: count anew for how long it cannot."""
        self._unusable_for = 0.0  # s, by the stamps of its own readings
        self._ahead_since, self._ahead_until = math.inf, 0.0

    def start(
        self, stamp: float, attitude: Float, velocity: Float | None = None, sure: bool = False
    ) -> None:
        """Begin from a state that is known from elsewhere.

        Args:
            stamp: s.
            attitude: (4,) body to world, wxyz.
            velocity: (3,) m/s, world frame; at rest by default.
            sure: take it as exact rather than with `tilt_std` and `velocity_std`.
        """
        config, feet = self.config, self._feet
        state = np.zeros(layout.state_size(feet))
        rotation, columns = layout.views(state, feet)[:2]
        state[0] = state[layout.LAST_FEET] = stamp
        state[layout.SURPRISE] = 1.0
        rotation[:] = quaternion_to_matrix(attitude / np.linalg.norm(attitude))
        if velocity is not None:
            columns[0] = velocity
        std = np.zeros(self._error_size)
        tilt, speed = (1e-3, 1e-2) if sure else (config.tilt_std, config.velocity_std)
        std[0:2] = tilt
        std[3:6] = speed
        std[-6:-3] = config.gyro_bias_std
        std[-3:] = config.accel_bias_std
        self._timeline.start(stamp, layout.IMU, state, np.diag(std**2))
        self._newest = stamp
        self._heard()
        self._started = True

    def predict(self, imu: Imu) -> None:
        """Go forward to the time of an IMU reading; one that cannot be true is left out."""
        self.predict_all((imu,))

    def predict_all(self, readings: Iterable[Imu]) -> None:
        """Go forward through readings, the oldest first, as `predict` one by one but faster."""
        events, count = self._imu_events, 0
        for imu in readings:
            verdict = self._judge(imu)
            if not verdict.usable:
                continue
            if not self._started:
                self._begin(imu)
                continue
            if verdict.gap or count == len(events):
                self._take(events[:count])
                count = 0
            if verdict.gap:
                self._bridge(imu.stamp - verdict.dt, verdict.gap)
            event = events[count]
            event[STAMP] = self._newest = imu.stamp
            event[PAYLOAD : PAYLOAD + 3] = imu.gyro
            event[PAYLOAD + 3 : PAYLOAD + 6] = imu.accel
            event[PAYLOAD + layout.LOST] = verdict.dt if verdict.reason == DROPOUT else 0.0
            count += 1
        self._take(events[:count])

    def _judge(self, imu: Imu) -> Verdict:
        before = self._check.newest
        verdict = self._check.check(imu)
        if verdict.reason:
            self._trouble = verdict.reason
            self._trouble_since = self._newest
        self._verdict = verdict
        if not verdict.usable:
            passed = self._check.newest - before
            if passed > 0.0:  # neither NaN, as for the first, nor back to another clock
                self._unusable_for += passed
        else:
            self._heard()
        return verdict

    def update(self, measurement: Measurement) -> bool:
        """Correct with a reading of the feet; False if none was believed."""
        if not isinstance(measurement, Feet) or not self._started:
            return False
        stamp = measurement.stamp
        if not stamp - self._newest < _AHEAD:  # what is estimated is no longer so
            if self._verdict.usable:  # else it is told already what is wrong with the IMU
                self._trouble = GAP
            self._trouble_since = self._newest
            if math.isfinite(stamp):
                if stamp < self._ahead_since:
                    self._ahead_since = stamp
                self._ahead_until = stamp
            return False
        self._ahead_since = math.inf
        self._feet_event[0, STAMP] = stamp
        self._event_feet[:] = measurement.position
        self._event_contact[:] = measurement.contact
        return self._take(self._feet_event) > 0

    @property
    def _imu_is_gone(self) -> bool:
        """Whether the last usable IMU reading is older than `longest_gap`."""
        ahead = self._ahead_until - self._ahead_since + _AHEAD
        return max(self._unusable_for, ahead) > self.config.longest_gap

    def _take(self, new: Float) -> int:
        line = self._timeline
        return steps.take_events(
            line.events,
            line.states,
            line.covariances,
            line.span,
            new,
            self._feet,
            self._parameters,
        )

    def _begin(self, imu: Imu) -> None:
        """Start from the accelerometer's word for what is down."""
        if np.linalg.norm(imu.accel) > 1.0:  # else it falls freely, and nothing is down
            self.start(imu.stamp, matrix_to_quaternion(tilt_from_gravity(imu.accel)))

    def _bridge(self, stamp: float, gap: float) -> None:
        """Go on at another time after a gap of which nothing is known."""
        line = self._timeline
        state, covariance = line.states[line.newest].copy(), line.covariances[line.newest].copy()
        state[layout.LAST_FEET] += stamp - state[0]
        state[0] = stamp
        gap = min(gap, 10.0)
        records = layout.views(state, self._feet)[4]
        steps.forget_rest(state)
        for foot in range(self._feet):
            records[foot, layout.ACTIVE] = 0.0
            forget_foot(covariance, foot)
        index = np.arange(3)
        turn, speed = min(_DISTRUST * gap, 1.0), _DISTRUST * gap
        covariance[index, index] += turn**2
        covariance[3 + index, 3 + index] += speed**2
        covariance[6 + index, 6 + index] += (speed * gap) ** 2
        line.start(stamp, layout.IMU, state, covariance)

    @property
    def estimate(self) -> Estimate:
        """The newest state."""
        if not self._started:
            return self._nothing()
        line, feet = self._timeline, self._feet
        state = line.states[line.newest]
        rotation, columns, bias = layout.views(state, feet)[:3]
        covariance = world_covariance(columns, line.covariances[line.newest])
        _, health, reason = self.summary()
        return Estimate(
            stamp=float(state[0]),
            attitude=matrix_to_quaternion(rotation),
            velocity=columns[0].copy(),
            position=columns[1].copy(),
            gyro_bias=bias[0].copy(),
            accel_bias=bias[1].copy(),
            covariance=covariance,
            health=health,
            reason=reason,
        )

    def summary(self) -> tuple[Float, Health, str]:
        """What a control loop needs of the newest state, in less time than `estimate`.

        Returns:
            (7,) the attitude, wxyz, and the velocity in the body frame, m/s, in a buffer that the
            next call overwrites; the health, and why it is not good.
        """
        line, summary = self._timeline, self._summary
        if not self._started:
            summary[:] = 0.0
            summary[0] = 1.0
            return summary[:7], *self._unstarted_health()
        state = line.states[line.newest]
        layout.summarize(state, line.covariances[line.newest], self._feet, summary)
        tilt, speed = summary[7:].tolist()
        return summary[:7], *self._health(state, tilt, speed)

    def _unstarted_health(self) -> tuple[Health, str]:
        wrong = self._verdict.reason in WRONG_UNITS or self._imu_is_gone
        why = self._verdict.reason or NO_READING
        return Health.LOST if wrong else Health.INITIALISING, why

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

    def _health(self, state: Float, tilt: float, speed: float) -> tuple[Health, str]:
        """By the standard deviations of tilt, rad, and velocity, m/s."""
        config = self.config
        if self._verdict.reason in WRONG_UNITS:
            return Health.LOST, self._verdict.reason
        if not (math.isfinite(tilt) and math.isfinite(speed)):
            return Health.LOST, UNKNOWN
        if self._imu_is_gone:
            return Health.LOST, self._trouble
        if not state[layout.SETTLED]:
            return Health.INITIALISING, SETTLING
        if tilt > config.lost_tilt or speed > config.lost_velocity:
            return Health.LOST, UNKNOWN
        if not self._verdict.usable or self._newest - self._trouble_since < _TROUBLE_TIME:
            return Health.DEGRADED, self._trouble
        if state[layout.ALL_SLIP] > 0.0:
            return Health.DEGRADED, ALL_SLIP
        if state[layout.NO_FOOT] > config.airborne or self._feet_silent(state):
            return Health.DEGRADED, NO_FOOT
        if state[layout.SURPRISE] > _SURPRISED:
            return Health.DEGRADED, CONTRADICTION
        if tilt > config.good_tilt or speed > config.good_velocity:
            return Health.DEGRADED, UNSURE
        return Health.GOOD, ""

    def _feet_silent(self, state: Float) -> bool:
        return bool(state[0] - state[layout.LAST_FEET] > self.config.airborne)


def _parameters(config: LeggedConfig) -> Float:
    """The numbers that `legged_steps` reads."""
    p = np.zeros(layout.PARAMETERS)
    noises = (config.gyro_noise, config.accel_noise, config.gyro_walk, config.accel_walk)
    p[: layout.NOISES] = np.square(noises)
    p[layout.WALK] = config.foot_walk
    p[layout.SLIP_WALK] = config.slip_walk
    p[layout.FOOT_NOISE] = config.foot_noise
    p[layout.POINTS] = config.points
    p[layout.POINT_NOISE] = config.point_noise
    p[layout.POINT_WALK] = config.point_walk
    p[layout.SLIP_TURN] = config.slip_turn
    p[layout.REST_RATIO] = config.rest_ratio
    p[layout.CONTACT_ON] = config.contact_on
    p[layout.CONTACT_OFF] = config.contact_off
    p[layout.OUTLIER_GATE] = config.outlier_gate
    p[layout.SLIP_GATE] = config.slip_gate
    p[layout.SLIP_TIME] = config.slip_time
    p[layout.SLIP_WINDOW] = config.slip_window
    p[layout.SLIP_SPEED] = config.slip_speed
    p[layout.PATIENCE] = config.patience
    p[layout.ALL_SLIP_TIME] = config.all_slip_time
    p[layout.RECOVERY_TILT] = 0.5 * config.tilt_std
    p[layout.RECOVERY_VELOCITY] = config.velocity_std
    p[layout.SETTLED_TILT] = config.good_tilt
    p[layout.SETTLED_VELOCITY] = config.good_velocity
    return p
