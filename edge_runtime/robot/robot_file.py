"""Defines the robot file (JSON): a robot as ROS and its bags see it."""

from dataclasses import dataclass

from edge_runtime.robot.robot import RobotDescription


@dataclass(frozen=True)
class RobotFile:
    """Describes a robot as ROS sees it; joint names are those of its URDF and of `joint_states`."""

    description: RobotDescription
    task: str = ""  # the task that simulates it, and whose policy is the default
    imu_frame: str = "imu"
    # m, from base_link, whose axes the IMU has
    imu_in_base: tuple[float, float, float] = (0.0, 0.0, 0.0)
    feet: tuple[str, ...] = ()  # each has a topic `<foot>/wrench`, in the order of `foot_force`
    wheel_joints: tuple[str, ...] = ()  # in the order of `wheel_speed`
    steering_joint: str = ""  # its position is `steering_angle`
    passive_joints: tuple[str, ...] = ()  # in `joint_states`, but not used by the policy
