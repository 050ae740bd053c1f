"""Describes the nodes' parameters: default, description and range; `declaring` declares them.

This module needs no ROS.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from edge_runtime.config.fields import setting

_POLICY = "a policy file (.onnx) for this robot, or empty"


@dataclass(frozen=True)
class RobotParameters:
    """Declares the parameters of both nodes of a robot."""

    robot: str = setting(
        "humanoid",
        allowed="humanoid, vehicle, the name of a robot of another package, or the path of an "
        "existing robot file",
    )
    """The robot: 'humanoid', 'vehicle', one that another package brings and `sim2edge up` has
    simulated, or the path of a robot file (.json)."""
    base_frame: str = ""
    """The frame of the robot's base; empty: 'base_link', behind the namespace ('h1/base_link')."""
    odom_frame: str = ""
    """The frame in which odometry is given (REP-105); empty: 'odom', behind the namespace."""
    fifo: int = setting(0, at_least=0, at_most=99)
    """The priority of the paced thread under SCHED_FIFO; 0: normal scheduling."""


@dataclass(frozen=True)
class EdgeParameters(RobotParameters):
    """Declares the parameters of `edge_node`."""

    policy: str = setting("", allowed=_POLICY)
    """The policy file (.onnx); empty: the one that comes with the product for this robot."""
    candidate: str = setting("", allowed=_POLICY)
    """The policy file that the services `~/load` and `~/shadow` take."""
    fusion: str = setting("auto", allowed="auto, robot, vqf, legged, wheeled, or wheeled+lidar")
    """The estimator, as in `sim2edge run --fusion`."""
    provider: str = setting("cpu", allowed="cpu, cuda, tensorrt, or auto")
    """What computes the network: 'cpu', 'cuda', 'tensorrt', or 'auto' for the fastest of those that
    are here, measured when a policy is loaded. If it fails, the CPU does."""
    provider_cache: str = ""
    """The folder for what a provider compiles; empty: ~/.cache/sim2edge/engines."""
    autostart: bool = False
    """Whether the node configures and activates itself, repeatedly until the robot is there."""
    cmd_vel_timeout: float = setting(0.5, at_least=0.05, at_most=60.0)
    """Time without `cmd_vel` after which zero velocity is asked for, in seconds."""
    cmd_vel_type: str = setting("auto", allowed="twist, twist_stamped, or auto")
    """The type of `cmd_vel`: 'twist', 'twist_stamped', or 'auto' for the one that is published."""
    sensor_timeout: float = setting(0.0, at_least=0.0, at_most=10.0)
    """How far a paced sensor may lag behind the IMU before samples are held back, in seconds; 0:
    2.5 control periods."""
    scan_timeout: float = setting(0.25, at_least=0.01, at_most=10.0)
    """How far `scan` may lag behind the IMU before samples are held back, in seconds."""
    phase: float = setting(0.25, at_least=0.0, at_most=0.4)
    """How late a sample may be before the tick goes on without it, as a share of the control
    period."""
    stop_seconds: float = setting(1.0, at_least=0.1, at_most=10.0)
    """The duration of a controlled stop, in seconds."""
    odometry_rate: float = setting(50.0, at_least=0.0, at_most=1000.0)
    """The rate of `odometry/filtered` and its TF, in Hz, at most the control rate; 0: none."""
    publish_tf: bool = True
    """Whether to send odom to base_link on /tf where tf2_msgs is installed."""
    cpu: int = setting(-1, at_least=-1, at_most=1023, allowed="a CPU that is there")
    """The CPU on which alone the control loop runs; -1: any."""
    lock_memory: bool = setting(False, "Whether to keep the node's memory from being paged out.")


@dataclass(frozen=True)
class SimParameters(RobotParameters):
    """Declares the parameters of `sim_node`."""

    robot: str = setting(
        "humanoid", allowed="humanoid, vehicle, or the name of a robot of another package"
    )
    """The robot: 'humanoid', 'vehicle', or one that another package brings."""
    seed: int = setting(0, "The seed of the simulated world.", at_least=0, at_most=2**31 - 1)
    randomize: bool = False
    """Whether to draw the robot by domain randomization, and to push it."""
    speed: float = setting(1.0, at_least=0.0, at_most=100.0, allowed="1 without clock")
    """Simulated seconds per second; 0: in lockstep, as fast as commands come. Other values than 1
    need `clock`, and nodes with use_sim_time."""
    clock: bool = False
    """Whether to publish /clock and to stamp messages with simulated time."""
    interface: str = setting(
        "forward", allowed="forward; trajectory for the humanoid; twist for the vehicle"
    )
    """The commands that the robot takes: 'forward' (forward_*_controller), 'trajectory'
    (joint_trajectory_controller) or 'twist' (ackermann_steering_controller)."""
    datum: str = setting("48.0 11.0 500.0", allowed="three numbers with spaces between")
    """The latitude and longitude (degrees) and height (m) of the world's origin."""


@dataclass(frozen=True)
class RecorderParameters:
    """Declares the parameters of `recorder`."""

    folder: str = setting("bags", "The folder of the bags.")
    topics: str = setting("", allowed="a Python regular expression, or empty")
    """The recorded topics, as a regular expression for their whole names; empty: all of the node's
    namespace, and /tf, /tf_static, /clock, /diagnostics and /rosout."""
    total_mb: float = setting(2000.0, at_least=1.0, at_most=1e7, allowed="twice file_mb at least")
    """The size that all bags of the folder may take, in MB; the oldest files are removed."""
    file_mb: float = setting(100.0, at_least=0.1, at_most=1e6)
    """The size of a file, in MB; so much and a quarter must be free."""
    discovery_seconds: float = setting(0.5, at_least=0.05, at_most=60.0)
    """The time between two looks for new topics, in seconds."""
    nice: int = setting(5, at_least=0, at_most=19)
    """The nice value of this process, by which it gives way to others."""


NODES: dict[str, type[Any]] = {
    "edge_node": EdgeParameters,
    "sim_node": SimParameters,
    "recorder": RecorderParameters,
}
_OF_ALL = ("use_sim_time",)


def names(node: str) -> tuple[str, ...]:
    """Returns the parameters that a node of this package takes."""
    return (*(field.name for field in dataclasses.fields(NODES[node])), *_OF_ALL)
