"""Describes a task's robot to the control loop."""

from edge_runtime.robot.robot import RobotDescription
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, JOINT_POS, JOINT_VEL, Signal
from sim.sensors.estimates import ESTIMATED
from sim.tasks.task import TaskConfig

# Encoders repeat their values at standstill. Frozen soles are not checked: the robot walks on
# without them, but would fall in the stop that follows.
LIVE = (IMU_GYRO, IMU_ACCEL, IMU_BURST, "lidar")
LIVE_MOVING = (JOINT_POS, JOINT_VEL, "wheel_speed")


def describe(task: TaskConfig, substeps: int) -> RobotDescription:
    """Describes the robot with its sensors, what an estimator must know of it, and its own
    estimates.

    Args:
        task: the world it lives in.
        substeps: IMU readings in a control period.
    """
    burst = Signal(IMU_BURST, 6 * substeps, "rad/s, m/s^2", "imu")
    robot = task.robot
    signals = (*(s.signal for s in robot.sensors), burst, *ESTIMATED, *task.extra_signals)
    return RobotDescription(
        name=robot.name,
        joint_names=tuple(a.name for a in robot.actuators),
        signals=signals,
        # Without noise, a sensor at rest repeats its value.
        live=tuple(s.name for s in signals if s.name in LIVE and task.noise),
        live_moving=tuple(s.name for s in signals if s.name in LIVE_MOVING),
        legged=task.legged,
        wheeled=task.wheeled,
    )
