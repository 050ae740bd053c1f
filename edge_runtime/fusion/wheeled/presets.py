"""Sets the estimator up for robots whose wheels do not steer: differential drive, skid steering."""

from edge_runtime.fusion.wheeled.config import Vector, WheeledConfig


def differential_drive(track: float, imu: Vector = (0.0, 0.0, 0.0)) -> WheeledConfig:
    """Returns the settings of a robot with two driven wheels and castors.

    `Wheels.speed` is (left, right), in m/s.

    Args:
        track: m between the wheels.
        imu: m, the IMU before, left of and above the middle between the wheels.
    """
    return WheeledConfig(
        wheels=((0.0, 0.5 * track), (0.0, -0.5 * track)),
        rear_axle=(-imu[0], -imu[1], -imu[2]),
        wheelbase=0.0,
        understeer=0.0,
        gyro_bias_std=0.05,
        tilt_std=0.05,
        start_push=1.0,
        wheel_std=0.03,
        wheel_time=0.1,
        wheel_spread=0.2,
        side_std=0.03,
        constraint_time=0.2,
        up_std=0.05,
        heading_speed=0.3,
        heading_distance=3.0,
    )


def skid_steer(track: float, imu: Vector = (0.0, 0.0, 0.0), sides: int = 1) -> WheeledConfig:
    """Returns the settings of a robot that turns by slipping its wheels or tracks sideways.

    In a turn they slip forwards and backwards too, by as much as the turn moves them, and the robot
    turns about a place that the ground decides. So it is the gyroscope that knows the turn.
    `Wheels.speed` is (left, right) `sides` times, in m/s.

    Args:
        track: m between left and right.
        imu: m, the IMU before, left of and above the middle of the robot.
        sides: wheels on each side whose speeds are given.
    """
    return WheeledConfig(
        wheels=((0.0, 0.5 * track), (0.0, -0.5 * track)) * sides,
        rear_axle=(-imu[0], -imu[1], -imu[2]),
        wheelbase=0.0,
        understeer=0.0,
        gyro_bias_std=0.05,
        accel_noise=0.05,
        wheel_scale_std=0.05,
        wheel_time=0.1,
        turn_slip=1.5,
        sideslip=0.05,
        constraint_time=0.2,
        up_std=0.1,
        heading_speed=0.3,
        heading_distance=3.0,
    )
