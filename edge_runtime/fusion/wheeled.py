"""The car's state from IMU, wheel speeds, steering, GNSS and lidar odometry.

An error-state Kalman filter: Solà, "Quaternion kinematics for the error-state Kalman filter",
arXiv 1711.02508, 2017, with the car's constraints as in Dissanayake et al., "The aiding of a
low-cost strapdown inertial measurement unit using vehicle model constraints", T-RA 17(5), 2001.
The equations are in `wheeled_equations`, late measurements in `timeline`.
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from edge_runtime.fusion import wheeled_equations as eq
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.lie import matrix_to_quaternion, quaternion_to_matrix, tilt_from_gravity
from edge_runtime.fusion.measurement import Displacement, Float, Gnss, Imu, Measurement, Wheels
from edge_runtime.fusion.plausibility import GRAVITY, ImuCheck, ImuCheckConfig
from edge_runtime.fusion.timeline import PAYLOAD, Timeline

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class WheeledConfig:
    """What is known of the car and its sensors beforehand.

    Standard deviations of errors that persist go with the time they persist for: 85 readings a
    second of a wheel that slips for half a second do not know 85 times as much.
    """

    # The car.
    wheels: tuple[tuple[float, float], ...] = ((2.7, 0.8), (2.7, -0.8), (0.0, 0.8), (0.0, -0.8))
    """Place of each wheel before and left of the middle of the rear axle, m."""
    rear_axle: Vector = (-1.4, 0.0, -0.5)
    """Middle of the rear axle in the body frame (that of the IMU), m."""
    antenna: Vector = (0.0, 0.0, 0.0)
    """GNSS antenna in the body frame, m."""
    wheelbase: float = 2.7
    """m; 0 leaves the steering aside."""
    understeer: float = 0.002
    """(s/m)^2: 1 / characteristic speed squared, where a turn needs twice the steering. Cars have
    20 to 30 m/s."""
    # IMU. The defaults are a MEMS sensor on a vibrating car.
    gyro_noise: float = 1e-3
    """rad/s/sqrt(Hz), twice to five times a data sheet's, for vibration."""
    accel_noise: float = 0.02
    """m/s^2/sqrt(Hz), likewise."""
    gyro_walk: float = 3e-5
    """rad/s/sqrt(s): a few thousandths of rad/s an hour."""
    accel_walk: float = 1e-3
    """m/s^2/sqrt(s)."""
    gyro_bias_std: float = 0.02
    """rad/s at the start; 0.1 if nothing calibrated it."""
    accel_bias_std: float = 0.2
    """m/s^2 at the start."""
    tilt_std: float = 0.1
    """rad, of the first attitude, for a car may accelerate with 1 m/s^2."""
    mount_std: float = 0.02
    """rad, of the IMU's pitch and yaw in the car; 0.07 for a phone in a holder."""
    # Wheels and steering.
    wheel_scale_std: float = 0.02
    """Of the tyres' radius: wear and pressure."""
    wheel_offset_std: float = 0.0
    """m/s, where the wheel speed's zero is not certain, as with decoded CAN messages."""
    wheel_scale_walk: float = 3e-4
    """1/sqrt(s): slip and load change it by some thousandths a minute."""
    wheel_std: float = 0.05
    """m/s: tyres' slip and quantization."""
    wheel_time: float = 0.3
    """s for which such an error persists."""
    wheel_spread: float = 0.3
    """m/s from the other wheels at rest, beyond which a wheel spins or locks; more when fast."""
    side_std: float = 0.05
    """m/s sideways at the rear axle when straight."""
    sideslip: float = 0.008
    """rad of the rear tyres' slip angle per m/s^2 of lateral acceleration."""
    up_std: float = 0.1
    """m/s upwards at the rear axle: its springs."""
    constraint_time: float = 0.5
    """s for which sideways and upward errors persist: about that of the car's own motions."""
    steering_std: float = 0.01
    """rad of the front wheels, of the steering's zero."""
    steering_walk: float = 1e-4
    """rad/sqrt(s) of it: the road's camber and wind."""
    rate_std: float = 0.01
    """rad/s, of the bicycle model's yaw rate when straight."""
    rate_share: float = 0.3
    """The same in a turn, as a share of the yaw rate: understeer is not known better."""
    rate_time: float = 1.0
    """s for which the bicycle model's errors persist."""
    still_speed: float = 0.2
    """m/s, below which a wheel may stand still."""
    still_time: float = 0.5
    """s for which all wheels must, before the car is held to stand."""
    still_std: float = 0.02
    """m/s, of the car's speed then."""
    still_rate_std: float = 0.01
    """rad/s, of its turn rate then: people get in and out."""
    # GNSS.
    fix_std: float = 0.1
    """m, below which no receiver's claim is believed, from fix to fix."""
    wander_std: float = 1.0
    """m, of the slow error: atmosphere, orbits, reflections."""
    wander_time: float = 100.0
    """s, its time constant."""
    velocity_time: float = 0.3
    """s for which errors of the GNSS velocity persist; receivers smooth it."""
    delay_std: float = 0.0
    """s, of the stamps of fixes, where the receiver's latency is only about known."""
    heading_speed: float = 1.5
    """m/s, above which the course tells the heading and the steering the yaw rate."""
    heading_distance: float = 10.0
    """m between two fixes that tell the heading, if the receiver gives no velocity."""
    # Lidar odometry.
    motion_time: float = 0.1
    """s for which errors of displacements persist."""
    # Belief.
    gate: float = 10.8
    """Squared Mahalanobis distance of a scalar beyond which it is refused: 1 in 1000."""
    patience: float = 5.0
    """s of refusals in a row after which a sensor is believed again."""
    horizon: float = 0.5
    """s by which a measurement may come late."""
    capacity: int = 1024
    """Events kept for that; horizon times all sensors' rates, and some."""
    # Health.
    longest_gap: float = 2.0
    """s without IMU after which everything but the calibration starts anew."""
    silent: float = 2.0
    """s without a believed fix (a quarter of it without wheels) after which it is degraded."""
    degraded_position: float = 5.0
    """m of horizontal standard deviation."""
    lost_position: float = 50.0
    """m of horizontal standard deviation, beyond which nobody can use it."""
    degraded_heading: float = 0.1
    """rad of standard deviation."""
    lost_velocity: float = 3.0
    """m/s of standard deviation on any axis."""
    imu: ImuCheckConfig = ImuCheckConfig()


_FROM_CONFIG = (
    "gyro_noise accel_noise gyro_walk accel_walk steering_walk wander_std wander_time wheel_std "
    "wheel_time side_std sideslip up_std constraint_time rate_std rate_share rate_time wheelbase "
    "understeer wheel_spread still_speed still_time still_std still_rate_std fix_std "
    "velocity_time gate patience heading_speed heading_distance motion_time"
).split()
_TIMES = (
    *(eq.STILL_SINCE, eq.WHEELS_SEEN, eq.WHEELS_BELIEVED, eq.WHEELS_REFUSED),
    *(eq.FIX_SEEN, eq.FIX_BELIEVED, eq.FIX_REFUSED),
    *(eq.VELOCITY_SEEN, eq.VELOCITY_BELIEVED, eq.VELOCITY_REFUSED, eq.MOTION_SEEN),
)
_AT_REST = (0.6 * GRAVITY, 1.4 * GRAVITY)  # a first reading outside does not tell what is down
_SHAKEN = 0.5  # s for which trouble of the IMU is told
_PUSH, _SPIN = 3.0, 0.5  # m/s^2 and rad/s that a car may do while nobody looks


def _numbers(config: WheeledConfig) -> Float:
    c = np.zeros(eq.CONFIG)
    c[eq.GRAVITY] = GRAVITY
    c[eq.SCALE_WALK] = config.wheel_scale_walk
    for name in _FROM_CONFIG:
        c[getattr(eq, name.upper())] = getattr(config, name)
    c[eq.REAR_AXLE : eq.REAR_AXLE + 3] = config.rear_axle
    c[eq.ANTENNA : eq.ANTENNA + 3] = config.antenna
    return c


class WheeledFilter:
    """An `Estimator` of a car.

    It starts with the first IMU reading, at any speed. Body velocity is right as soon as a wheel
    has spoken; velocity and position in the world, when GNSS has told the heading of a car that
    moves. Without GNSS the start is the world's origin, and it stays INITIALISING.

    Args:
        config: the car and its sensors.
    """

    def __init__(self, config: WheeledConfig = WheeledConfig()) -> None:
        self.config = config
        self._c = _numbers(config)
        self._wheels = np.array(config.wheels, dtype=np.float64).reshape(-1, 2)
        self._line = Timeline(config.capacity, eq.EVENT, eq.STATE, eq.ERROR, config.horizon)
        self._event = np.zeros(eq.EVENT)
        self._check = ImuCheck(config.imu)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._check.reset()
        self._started = False
        self._imu_stamp = math.nan  # of the last reading used
        self._ahead = math.nan  # stamp of a measurement that the IMU has not come up to
        self._trouble = ""  # of the IMU
        self._trouble_stamp = math.nan
        self._broken = False

    def predict(self, imu: Imu) -> None:
        """Go forward to the time of an IMU reading."""
        verdict = self._check.check(imu)
        if verdict.reason:
            self._trouble, self._trouble_stamp = verdict.reason, self._imu_stamp
        if not verdict.usable:
            return
        if not self._started:
            self._start(imu)
            return
        if verdict.gap:
            self._bridge(imu, verdict.gap)
            return
        event = self._event
        event[0] = self._imu_stamp = imu.stamp
        event[1] = eq.IMU
        event[PAYLOAD : PAYLOAD + 3] = imu.gyro
        event[PAYLOAD + 3 : PAYLOAD + 6] = imu.accel
        self._take_in()

    def update(self, measurement: Measurement) -> bool:
        """Correct with wheels, GNSS or lidar odometry; False if it was not believed."""
        stamp = measurement.stamp
        if not self._started or not math.isfinite(stamp):
            return False
        if stamp > self._imu_stamp + self.config.horizon:
            self._ahead = stamp
            return False
        event = self._event
        event[0] = stamp
        if isinstance(measurement, Wheels):
            if not self._put_wheels(measurement):
                return False
        elif isinstance(measurement, Gnss):
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
        event[1] = eq.WHEELS
        event[PAYLOAD] = count
        event[PAYLOAD + 1] = wheels.steering
        event[PAYLOAD + 2 : PAYLOAD + 2 + count] = wheels.speed
        return True

    def _put_gnss(self, fix: Gnss) -> None:
        event = self._event
        event[1] = eq.GNSS
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
        x, y = float(motion.motion[0]), float(motion.motion[1])
        cosine, sine = math.cos(half), math.sin(half)
        event[0] = motion.stamp - 0.5 * span
        event[1] = eq.MOTION
        event[PAYLOAD] = (cosine * x + sine * y) / span
        event[PAYLOAD + 1] = (cosine * y - sine * x) / span
        event[PAYLOAD + 2] = 2.0 * half / span
        event[PAYLOAD + 3 : PAYLOAD + 6] = np.sqrt(motion.covariance.diagonal()) / span
        return True

    def _take_in(self) -> bool:
        line = self._line
        result = eq.take_in(
            line.events,
            line.states,
            line.covariances,
            line.span,
            self._event,
            self._c,
            self._wheels,
        )
        if result == eq.BROKEN:
            self._broken, self._started = True, False
        return result == 1

    def _start(self, imu: Imu, known: Float | None = None, spread: Float | None = None) -> None:
        """Begin at rest or moving; `known` and `spread` are a state whose calibration holds."""
        if not _AT_REST[0] < float(np.linalg.norm(imu.accel)) < _AT_REST[1]:
            return
        config = self.config
        x, cov = np.zeros(eq.STATE), np.zeros((eq.ERROR, eq.ERROR))
        x[eq.Q : eq.Q + 4] = matrix_to_quaternion(tilt_from_gravity(imu.accel))
        x[eq.SCALE] = 1.0
        x[eq.GYRO : eq.GYRO + 3], x[eq.ACCEL : eq.ACCEL + 3] = imu.gyro, imu.accel
        x[list(_TIMES)] = math.nan
        x[eq.ANCHOR : eq.ANCHOR + 2] = math.nan
        std = np.zeros(eq.ERROR)
        std[eq.D_ANGLE : eq.D_ANGLE + 3] = config.tilt_std, config.tilt_std, 1.8
        std[eq.D_V : eq.D_V + 3] = 15.0, 15.0, 1.0
        std[eq.D_P : eq.D_P + 3] = 0.01
        std[eq.D_GYRO : eq.D_GYRO + 3] = config.gyro_bias_std
        std[eq.D_ACCEL : eq.D_ACCEL + 3] = config.accel_bias_std
        std[eq.D_SCALE], std[eq.D_OFFSET] = config.wheel_scale_std, config.wheel_offset_std
        std[eq.D_PITCH] = std[eq.D_YAW] = config.mount_std
        std[eq.D_STEERING], std[eq.D_DELAY] = config.steering_std, config.delay_std
        std[eq.D_WANDER : eq.D_WANDER + 3] = config.wander_std
        np.fill_diagonal(cov, std**2)
        if known is not None and spread is not None:
            x[eq.GYRO_BIAS : eq.WANDER] = known[eq.GYRO_BIAS : eq.WANDER]
            x[eq.DELAY] = known[eq.DELAY]
            kept = [*range(eq.D_GYRO, eq.D_WANDER), eq.D_DELAY]
            cov[np.ix_(kept, kept)] = spread[np.ix_(kept, kept)]
        self._line.start(imu.stamp, eq.IMU, x, cov)
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
        x[eq.P : eq.P + 3] += x[eq.V : eq.V + 3] * gap
        spin, push = (_SPIN * gap) ** 2, (_PUSH * gap) ** 2
        for i in range(3):
            cov[eq.D_ANGLE + i, eq.D_ANGLE + i] += spin
            cov[eq.D_V + i, eq.D_V + i] += push
            cov[eq.D_P + i, eq.D_P + i] += push * gap * gap
        x[eq.GYRO : eq.GYRO + 3], x[eq.ACCEL : eq.ACCEL + 3] = imu.gyro, imu.accel
        self._line.start(imu.stamp, eq.IMU, x, cov)
        self._imu_stamp = imu.stamp

    @property
    def state(self) -> Float:
        """The newest nominal state, as `wheeled_equations` lays it out; do not write."""
        return self._line.states[self._line.newest]

    @property
    def covariance(self) -> Float:
        """Of the newest error state, as `wheeled_equations` lays it out; do not write."""
        return self._line.covariances[self._line.newest]

    @property
    def estimate(self) -> Estimate:
        """The newest state."""
        x, cov = self.state, self.covariance
        health, reason = self.judge()
        if not self._started:
            x, cov = np.zeros(eq.STATE), np.full((eq.ERROR, eq.ERROR), math.inf)
            x[eq.Q] = 1.0
        stamp = self._line.events[self._line.newest, 0] if self._started else math.nan
        return Estimate(
            stamp=float(stamp),
            attitude=x[eq.Q : eq.Q + 4].copy(),
            velocity=x[eq.V : eq.V + 3].copy(),
            position=x[eq.P : eq.P + 3].copy(),
            gyro_bias=x[eq.GYRO_BIAS : eq.GYRO_BIAS + 3].copy(),
            accel_bias=x[eq.ACCEL_BIAS : eq.ACCEL_BIAS + 3].copy(),
            covariance=cov[:9, :9].copy(),
            health=health,
            reason=reason,
        )

    def body_velocity(self) -> tuple[Float, Float]:
        """Velocity of the IMU in the body frame, (3,) m/s, and its covariance, (3, 3)."""
        x, cov = self.state, self.covariance
        r = quaternion_to_matrix(x[eq.Q : eq.Q + 4])
        v = x[eq.V : eq.V + 3]
        # R^T (v + e_v) with R = Exp(e_angle) R: an error of R^T (e_v + [v]x e_angle).
        j = np.zeros((3, 6))
        j[0, 1], j[0, 2], j[1, 0] = -v[2], v[1], v[2]
        j[1, 2], j[2, 0], j[2, 1] = -v[0], -v[1], v[0]
        j[:, 3:] = np.eye(3)
        j = r.T @ j
        return r.T @ v, j @ cov[:6, :6] @ j.T

    def judge(self) -> tuple[Health, str]:
        """Health of the newest state, and why it is not GOOD."""
        config = self.config
        if self._broken:
            return Health.LOST, "the numbers ran away; it starts anew"
        if not self._started:
            return Health.INITIALISING, self._trouble or "no IMU reading yet"
        now = float(self._line.events[self._line.newest, 0])
        x, variance = self.state, self.covariance.diagonal()
        silent = self._ahead - self._imu_stamp
        if silent > config.horizon:
            worst = Health.LOST if silent > config.longest_gap else Health.DEGRADED
            return worst, f"the IMU is silent for {silent:.1f} s"
        if math.sqrt(max(variance[eq.D_V : eq.D_V + 3])) > config.lost_velocity:
            started = x[eq.WHEELS_BELIEVED] > 0.0 or x[eq.HEADING_KNOWN] > 0.0
            return (
                Health.LOST if started else Health.INITIALISING,
                "the velocity is not known",
            )
        if x[eq.HEADING_KNOWN] == 0.0:
            return Health.INITIALISING, "the heading is not known until GNSS sees the car move"
        position = math.sqrt(max(variance[eq.D_P], variance[eq.D_P + 1]))
        if position > config.lost_position:
            return Health.LOST, f"the position is known to {position:.0f} m"
        return self._degraded(now, x, position, math.sqrt(variance[eq.D_ANGLE + 2]))

    def _degraded(
        self, now: float, x: Float, position: float, heading: float
    ) -> tuple[Health, str]:
        config = self.config
        reasons = (
            (now - x[eq.FIX_BELIEVED] > config.silent, "no believed GNSS fix lately"),
            (now - x[eq.WHEELS_BELIEVED] > 0.25 * config.silent, "no believed wheels lately"),
            (position > config.degraded_position, f"the position is known to {position:.1f} m"),
            (heading > config.degraded_heading, f"the heading is known to {heading:.2f} rad"),
            (bool(self._trouble) and now - self._trouble_stamp < _SHAKEN, self._trouble),
        )
        for true, reason in reasons:
            if true:
                return Health.DEGRADED, reason
        return Health.GOOD, ""
