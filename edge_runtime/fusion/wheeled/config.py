"""What the wheeled filter is told of the car and its sensors."""

from dataclasses import dataclass

from edge_runtime.fusion.plausibility import ImuCheckConfig
from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometryConfig

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
    """rad from upright at the start: slopes, and how the IMU is mounted."""
    start_push: float = 2.0
    """m/s^2 with which the car may accelerate at the start; the accelerometer is wrong by that."""
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
    still_std: float = 0.005
    """m/s, of the car's speed then."""
    still_rate_std: float = 0.01
    """rad/s, of its turn rate then: people get in and out."""
    # GNSS.
    fix_std: float = 0.1
    """m, below which no receiver's claim is believed, from fix to fix."""
    fix_velocity_std: float = 0.05
    """m/s of the GNSS velocity on any axis, where the receiver does not claim one itself: a
    robot's signals hold none."""
    wander_std: float = 1.0
    """m, of the slow error: atmosphere, orbits, reflections."""
    wander_time: float = 100.0
    """s, its time constant."""
    velocity_time: float = 0.1
    """s for which errors of the GNSS velocity persist; Doppler's are white from fix to fix."""
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
    degraded_tilt: float = 0.1
    """rad of standard deviation of roll and pitch, which a car without GNSS is judged by."""
    degraded_velocity: float = 0.5
    """m/s of standard deviation on any axis."""
    lost_velocity: float = 3.0
    """m/s of standard deviation on any axis."""
    imu: ImuCheckConfig = ImuCheckConfig()


@dataclass(frozen=True)
class WheeledRobotConfig:
    """A robot on wheels."""

    estimator: WheeledConfig  # its `wheels` in the order of `wheel_speed`
    wheel_radius: float  # m
    gnss: bool = True  # whether it has a receiver: `gnss_position` and `gnss_velocity`
    lidar: LidarOdometryConfig | None = None  # where it sits and what it reads, if there is one
