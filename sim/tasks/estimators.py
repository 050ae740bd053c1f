"""What an estimator on the robots here must know of them: geometry, and their sensors' errors."""

from collections.abc import Mapping
from functools import cache

import mujoco

from edge_runtime.fusion.legged.config import LegChain, LeggedConfig, LeggedRobotConfig
from edge_runtime.fusion.plausibility import ImuCheckConfig
from edge_runtime.fusion.wheeled.config import WheeledConfig, WheeledRobotConfig
from edge_runtime.fusion.wheeled.lidar_odometry import LidarOdometryConfig
from sim.robots.humanoid import FEET, humanoid
from sim.robots.leg_chains import leg_chains
from sim.robots.vehicle import WHEEL_RADIUS
from sim.sensors.readings import Noise

HEEL_AND_TOE = ((-0.1, 0.0, 0.0), (0.1, 0.0, 0.0))  # m, from the middle of the humanoid's sole


@cache
def _humanoid_legs() -> tuple[LegChain, ...]:
    model = mujoco.MjModel.from_xml_path(str(humanoid(1.0).model))
    return leg_chains(model, "imu", FEET, HEEL_AND_TOE)


def humanoid_estimator(noise: Mapping[str, Noise], control_period: float) -> LeggedRobotConfig:
    """Of the humanoid.

    Args:
        noise: of its sensors, by signal.
        control_period: s over which the IMU's noise is that of a mean.
    """
    gyro, accel, encoder = (noise[name] for name in ("imu_gyro", "imu_accel", "joint_pos"))
    root_period = control_period**0.5
    return LeggedRobotConfig(
        legs=_humanoid_legs(),
        estimator=LeggedConfig(
            feet=len(FEET) * len(HEEL_AND_TOE),
            points=len(HEEL_AND_TOE),
            gyro_noise=gyro.std * root_period,
            # What happens between two readings when a foot strikes exceeds the sensor's own noise.
            accel_noise=accel.std * root_period + 0.02,
            gyro_bias_std=gyro.bias,
            accel_bias_std=accel.bias,
            # It is switched on upright, on its feet or a crane, and nearly at rest.
            tilt_std=0.05,
            velocity_std=0.3,
            # Encoders' noise and calibration, over a leg of 0.7 m.
            foot_noise=0.7 * (encoder.std + encoder.bias / 3),
            # Its soles are boxes that rock and turn under a gait at 0.5 m/s.
            foot_walk=0.01,
            point_walk=0.1,
            # In the same sense with every step, and standing: the contacts are soft, and creep.
            slip_turn=0.02,
            slip_gate=16.0,
            slip_walk=0.15,
        ),
    )


VEHICLE_ESTIMATOR = WheeledRobotConfig(
    estimator=WheeledConfig(
        wheels=((1.2, 0.45), (1.2, -0.45), (0.0, 0.45), (0.0, -0.45)),
        rear_axle=(-0.53, 0.0, 0.0),
        antenna=(-0.13, 0.0, 0.32),
        wheelbase=1.2,
        understeer=0.0,
        sideslip=0.012,
        tilt_std=0.03,
        start_push=4.0,
        gyro_noise=0.003,
        accel_noise=0.05,
        gyro_bias_std=0.01,
        accel_bias_std=0.15,
        mount_std=0.001,
        wheel_scale_std=0.005,
        steering_std=0.01,
        fix_std=0.05,
        fix_velocity_std=0.05,
        wander_std=0.5,
        wander_time=60.0,
        velocity_time=0.0,
        imu=ImuCheckConfig(largest_noise=0.1),
    ),
    wheel_radius=WHEEL_RADIUS,
    lidar=LidarOdometryConfig(),
)
"""The vehicle with the sensors of its task."""
