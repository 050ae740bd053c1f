"""Sets the wheeled filter: the car and its sensors."""

from dataclasses import dataclass

from edge_runtime.config.fields import setting
from edge_runtime.fusion.imu_check_config import ImuCheckConfig
from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometryConfig

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class WheeledConfig:
    """Sets the car's dimensions, the noise of its sensors, gates, and limits of the health.

    Standard deviations of errors that persist go with the time they persist for: 85 readings a
    second of a wheel that slips for half a second do not know 85 times as much.
    """

    # The car.
    wheels: tuple[tuple[float, float], ...] = setting(
        ((2.7, 0.8), (2.7, -0.8), (0.0, 0.8), (0.0, -0.8)), unit="m"
    )
    """Place of each wheel before and left of the middle of the rear axle."""
    rear_axle: Vector = setting((-1.4, 0.0, -0.5), unit="m")
    """Middle of the rear axle in the body frame (that of the IMU)."""
    antenna: Vector = setting((0.0, 0.0, 0.0), unit="m")
    """GNSS antenna in the body frame."""
    wheelbase: float = setting(2.7, unit="m", at_least=0)
    """Distance of the axles; 0 leaves the steering aside."""
    understeer: float = setting(0.002, unit="(s/m)^2")
    """Inverse square of the characteristic speed, at which a turn needs twice the steering. Cars
    have 20 to 30 m/s."""
    # IMU. The defaults are a MEMS sensor on a vibrating car.
    gyro_noise: float = setting(1e-3, unit="rad/s/sqrt(Hz)", at_least=0)
    """Noise density of the gyroscope: twice to five times a data sheet's, for vibration."""
    accel_noise: float = setting(0.02, unit="m/s^2/sqrt(Hz)", at_least=0)
    """Noise density of the accelerometer, likewise."""
    gyro_walk: float = setting(3e-5, unit="rad/s/sqrt(s)", at_least=0)
    """Random walk of the gyroscope's bias: a few thousandths of rad/s an hour."""
    accel_walk: float = setting(1e-3, unit="m/s^2/sqrt(s)", at_least=0)
    """Random walk of the accelerometer's bias."""
    gyro_bias_std: float = setting(0.02, unit="rad/s", at_least=0)
    """Standard deviation of the gyroscope's bias at the start; 0.1 if nothing calibrated it."""
    accel_bias_std: float = setting(0.2, unit="m/s^2", at_least=0)
    """Standard deviation of the accelerometer's bias at the start."""
    tilt_std: float = setting(0.1, unit="rad", at_least=0)
    """Standard deviation of the tilt at the start: slopes, and how the IMU is mounted."""
    start_push: float = setting(2.0, unit="m/s^2", at_least=0)
    """Acceleration that the car may have at the start; the accelerometer is wrong by that."""
    mount_std: float = setting(0.02, unit="rad", at_least=0)
    """Standard deviation of the IMU's pitch and yaw in the car; 0.07 for a phone in a holder."""
    # Wheels and steering.
    wheel_scale_std: float = setting(0.02, at_least=0)
    """Relative standard deviation of the tyres' radius: wear and pressure."""
    wheel_offset_std: float = setting(0.0, unit="m/s", at_least=0)
    """Standard deviation of the wheel speed's zero where it is not certain, as with decoded CAN
    messages."""
    wheel_scale_walk: float = setting(3e-4, unit="1/sqrt(s)", at_least=0)
    """Random walk of the tyres' radius: slip and load change it by some thousandths a minute."""
    wheel_std: float = setting(0.05, unit="m/s", at_least=0)
    """Standard deviation of a wheel's speed: tyre slip and quantization."""
    wheel_time: float = setting(0.3, unit="s", at_least=0)
    """Time for which such an error persists."""
    wheel_spread: float = setting(0.3, unit="m/s", at_least=0)
    """Difference from the other wheels at rest, beyond which a wheel spins or locks; more when
    fast."""
    turn_slip: float = setting(0.3, at_least=0)
    """Share by which left and right wheels may be faster or slower than the turn makes them; 1 and
    more for skid steering, where it is of the wheels' own turn if that is faster."""
    side_std: float = setting(0.05, unit="m/s", at_least=0)
    """Standard deviation of the sideways velocity at the rear axle when straight."""
    sideslip: float = setting(0.008, unit="rad s^2/m", at_least=0)
    """Slip angle of the rear tyres per lateral acceleration."""
    up_std: float = setting(0.1, unit="m/s", at_least=0)
    """Standard deviation of the upward velocity at the rear axle: its springs."""
    constraint_time: float = setting(0.5, unit="s", at_least=0)
    """Time for which sideways and upward errors persist: about that of the car's own motions."""
    steering_std: float = setting(0.01, unit="rad", at_least=0)
    """Standard deviation of the steering's zero, at the front wheels."""
    steering_walk: float = setting(1e-4, unit="rad/sqrt(s)", at_least=0)
    """Random walk of the steering's zero: the road's camber and wind."""
    rate_std: float = setting(0.01, unit="rad/s", at_least=0)
    """Standard deviation of the bicycle model's yaw rate when straight."""
    rate_share: float = setting(0.3, at_least=0)
    """Standard deviation of the bicycle model's yaw rate in a turn, as a share of it: understeer is
    not known better."""
    rate_time: float = setting(1.0, unit="s", at_least=0)
    """Time for which the bicycle model's errors persist."""
    still_speed: float = setting(0.2, unit="m/s", at_least=0)
    """Speed below which a wheel may stand still."""
    still_time: float = setting(0.5, unit="s", at_least=0)
    """Time for which all wheels must stand still before the car is held to stand."""
    still_std: float = setting(0.005, unit="m/s", at_least=0)
    """Standard deviation of a standing car's speed."""
    still_rate_std: float = setting(0.01, unit="rad/s", at_least=0)
    """Turn rate of a standing car: people get in and out. Beyond, it is carried."""
    rest_noise: float = setting(5e-4, unit="rad/s/sqrt(Hz)", at_least=0)
    """Noise density of a standing car's turn rate, beside the gyroscope's: its mean is a bias."""
    # GNSS.
    fix_std: float = setting(0.1, unit="m", at_least=0)
    """Standard deviation from fix to fix, below which no receiver's claim is believed."""
    fix_velocity_std: float = setting(0.05, unit="m/s", at_least=0)
    """Standard deviation of the GNSS velocity on any axis, where the receiver does not claim one
    itself: a robot's signals hold none."""
    wander_std: float = setting(1.0, unit="m", at_least=0)
    """Standard deviation of the slow GNSS error: atmosphere, orbits, reflections."""
    wander_time: float = setting(100.0, unit="s", at_least=0)
    """Time constant of the slow GNSS error."""
    velocity_time: float = setting(0.1, unit="s", at_least=0)
    """Time for which errors of the GNSS velocity persist; Doppler's are white from fix to fix."""
    delay_std: float = setting(0.0, unit="s", at_least=0)
    """Standard deviation of the stamps of fixes, where the receiver's latency is only about
    known. It is learned as the car sets out, stops and turns: at one speed on a straight road
    nothing shows it."""
    heading_speed: float = setting(1.5, unit="m/s", at_least=0)
    """Speed above which the course gives the heading and the steering the yaw rate."""
    heading_distance: float = setting(10.0, unit="m", at_least=0)
    """Distance between two fixes that give the heading, if the receiver gives no velocity."""
    # Lidar odometry.
    motion_time: float = setting(0.1, unit="s", at_least=0)
    """Time for which errors of the lidar's displacements persist."""
    # Belief.
    gate: float = setting(10.8, at_least=0)
    """Squared Mahalanobis distance of a scalar beyond which it is refused: 1 in 1000."""
    patience: float = setting(5.0, unit="s", at_least=0)
    """Time of refusals in a row after which a sensor is believed again."""
    horizon: float = setting(0.5, unit="s", at_least=0)
    """Time by which a measurement may come late."""
    capacity: int = setting(1024, above=0)
    """Events kept for that: horizon times all sensors' rates, and some."""
    # Health.
    longest_gap: float = setting(2.0, unit="s", at_least=0)
    """Time without IMU after which everything but the calibration starts anew."""
    silent: float = setting(2.0, unit="s", at_least=0)
    """Time without a believed fix (a quarter of it without wheels) after which health is
    degraded."""
    degraded_position: float = setting(5.0, unit="m", at_least=0)
    """Standard deviation of the horizontal position from which health is degraded."""
    lost_position: float = setting(50.0, unit="m", at_least=0)
    """Standard deviation of the horizontal position from which it is lost."""
    degraded_heading: float = setting(0.1, unit="rad", at_least=0)
    """Standard deviation of the heading from which health is degraded."""
    degraded_tilt: float = setting(0.1, unit="rad", at_least=0)
    """Standard deviation of roll and pitch, by which a car without GNSS is judged."""
    degraded_velocity: float = setting(0.5, unit="m/s", at_least=0)
    """Standard deviation of the velocity on any axis from which health is degraded."""
    lost_velocity: float = setting(3.0, unit="m/s", at_least=0)
    """Standard deviation of the velocity on any axis from which it is lost."""
    imu: ImuCheckConfig = ImuCheckConfig()


@dataclass(frozen=True)
class WheeledRobotConfig:
    """Describes the wheels of a robot, and sets its wheeled estimator."""

    estimator: WheeledConfig  # its `wheels` in the order of `wheel_speed`
    wheel_radius: float  # m
    gnss: bool = True  # whether it has a receiver: `gnss_position` and `gnss_velocity`
    lidar: LidarOdometryConfig | None = None  # where it sits and what it reads, if there is one
