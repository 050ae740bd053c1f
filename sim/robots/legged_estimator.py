"""Derives what an estimator must know of a robot on legs: geometry, and errors of its sensors."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edge_runtime.fusion.legged.config import (
    ContactConfig,
    ForceConfig,
    LegChain,
    LeggedRobotConfig,
)
from sim.robots.leg_chains import find_chains, robot_mass
from sim.robots.robot import SimRobot
from sim.sensors.readings import Noise


def legged_estimator(
    robot: SimRobot, noise: Mapping[str, Noise], control_period: float
) -> LeggedRobotConfig | None:
    """Returns the settings of the estimator of a robot on legs.

    Args:
        robot: in simulation.
        noise: the noise of its sensors, by signal.
        control_period: s over which the IMU's noise is that of a mean.

    Returns:
        None for a robot without legs, and where the noise of IMU or encoders is not known.

    Raises:
        UserError: a joint between IMU and foot is not a hinge.
    """
    legs = robot.legs
    if legs is None or not {"imu_gyro", "imu_accel", "joint_pos"} <= set(noise):
        return None
    gyro, accel, encoder = (noise[name] for name in ("imu_gyro", "imu_accel", "joint_pos"))
    root_period = control_period**0.5
    chains = find_chains(robot.model, legs.feet, legs.sole)
    length = legs.length or max(_stretched(chain) for chain in chains)
    estimator = replace(
        legs.estimator,
        feet=len(legs.feet) * len(legs.sole),
        points=len(legs.sole),
        gyro_noise=gyro.std * root_period,
        # What happens between two readings when a foot strikes exceeds the sensor's own noise.
        accel_noise=accel.std * root_period + 0.02,
        gyro_bias_std=gyro.bias,
        accel_bias_std=accel.bias,
        # Encoders' noise and calibration, over a leg.
        foot_noise=length * (encoder.std + encoder.bias / 3),
    )
    contact = legs.contact or _scaled(ContactConfig(), robot_mass(robot.model) / ContactConfig.mass)
    return LeggedRobotConfig(legs=chains, estimator=estimator, contact=contact)


def foot_noise(robot: SimRobot) -> Noise:
    """Returns the error of the force sensors of the robot's feet, N."""
    share = 0.012 * 9.81 * robot_mass(robot.model)
    return robot.find_legs().touch_noise or Noise(share, share)


def _stretched(chain: LegChain) -> float:
    """Returns the length of a leg from its first joint to its sole, m."""
    parts = [joint.offset for joint in chain.joints[1:]] + [chain.points[0]]
    return float(sum(np.linalg.norm(part) for part in parts))


def _scaled(contact: ContactConfig, share: float) -> ContactConfig:
    """Returns contact thresholds for a robot of another weight."""

    def scaled(force: ForceConfig) -> ForceConfig:
        return replace(
            force,
            force=share * force.force,
            width=share * force.width,
            hysteresis=share * force.hysteresis,
        )

    return replace(contact, touch=scaled(contact.touch), torque=scaled(contact.torque))
