"""Names the value of a sensor that is not finite; the guard decides whether it matters."""

import numpy as np

from edge_runtime.robot.robot_file import RobotFile
from edge_runtime.signals import (
    FOOT_FORCE,
    IMU_ACCEL,
    IMU_GYRO,
    JOINT_POS,
    JOINT_TORQUE,
    JOINT_VEL,
    STEERING_ANGLE,
    WHEEL_SPEED,
    Array,
)

_AXES = ("x", "y", "z")


def not_finite(signal: str, values: Array, robot: RobotFile) -> str:
    """Returns the name of the first of a signal's values that is not finite; empty if all are.

    Args:
        signal: name of the signal.
        values: (size,).
        robot: the robot whose joints, feet and axes are named.
    """
    places = np.flatnonzero(~np.isfinite(values))
    if not len(places):
        return ""
    place = int(places[0])
    names = _names(signal, robot)
    which = f"'{names[place]}'" if place < len(names) else f"number {place}"
    return f"{which} in {signal} is {values[place]}"


def _names(signal: str, robot: RobotFile) -> tuple[str, ...]:
    if signal in (JOINT_POS, JOINT_VEL, JOINT_TORQUE):
        return robot.description.joint_names
    return {
        WHEEL_SPEED: robot.wheel_joints,
        STEERING_ANGLE: (robot.steering_joint,),
        FOOT_FORCE: robot.feet,
        IMU_GYRO: _AXES,
        IMU_ACCEL: _AXES,
    }.get(signal, ())
