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
    """Parameters of both nodes that serve a robot."""

    robot: str = setting(
        "humanoid",
        "The robot: 'humanoid', 'vehicle', one that another package brings and `sim2edge up` has "
        "simulated, or the path of a robot file (.json).",
        allowed="humanoid, vehicle, the name of a robot of another package, or the path of an "
        "existing robot file",
    )
    base_frame: str = setting(
        "",
        "The frame of the robot's base; empty: 'base_link', behind the namespace ('h1/base_link').",
    )
    odom_frame: str = setting(
        "", "The frame in which odometry is given (REP-105); empty: 'odom', behind the namespace."
    )
    fifo: int = setting(
        0,
        "The priority of the paced thread under SCHED_FIFO; 0: normal scheduling.",
        at_least=0,
        at_most=99,
    )


@dataclass(frozen=True)
class EdgeParameters(RobotParameters):
    """Parameters of `edge_node`."""

    policy: str = setting(
        "",
        "The policy file (.onnx); empty: the one that comes with the product for this robot.",
        allowed=_POLICY,
    )
    candidate: str = setting(
        "", "The policy file that the services `~/load` and `~/shadow` take.", allowed=_POLICY
    )
    fusion: str = setting(
        "auto",
        "The estimator, as in `sim2edge run --fusion`.",
        allowed="auto, robot, vqf, legged, wheeled, or wheeled+lidar",
    )
    provider: str = setting(
        "cpu",
        "What computes the network: 'cpu', 'cuda', 'tensorrt', or 'auto' for the fastest of those "
        "that are here, measured when a policy is loaded. If it fails, the CPU does.",
        allowed="cpu, cuda, tensorrt, or auto",
    )
    provider_cache: str = setting(
        "", "The folder for what a provider compiles; empty: ~/.cache/sim2edge/engines."
    )
    autostart: bool = setting(
        False,
        "Whether the node configures and activates itself, repeatedly until the robot is there.",
    )
    cmd_vel_timeout: float = setting(
        0.5,
        "Time without `cmd_vel` after which zero velocity is asked for, in seconds.",
        at_least=0.05,
        at_most=60.0,
    )
    cmd_vel_type: str = setting(
        "auto",
        "The type of `cmd_vel`: 'twist', 'twist_stamped', or 'auto' for the one that is published.",
        allowed="twist, twist_stamped, or auto",
    )
    sensor_timeout: float = setting(
        0.0,
        "How far a paced sensor may lag behind the IMU before samples are held back, in seconds; "
        "0: 2.5 control periods.",
        at_least=0.0,
        at_most=10.0,
    )
    scan_timeout: float = setting(
        0.25,
        "How far `scan` may lag behind the IMU before samples are held back, in seconds.",
        at_least=0.01,
        at_most=10.0,
    )
    phase: float = setting(
        0.25,
        "How late a sample may be before the tick goes on without it, as a share of the control "
        "period.",
        at_least=0.0,
        at_most=0.4,
    )
    stop_seconds: float = setting(
        1.0, "The duration of a controlled stop, in seconds.", at_least=0.1, at_most=10.0
    )
    odometry_rate: float = setting(
        50.0,
        "The rate of `odometry/filtered` and its TF, in Hz, at most the control rate; 0: none.",
        at_least=0.0,
        at_most=1000.0,
    )
    publish_tf: bool = setting(
        True, "Whether to send odom to base_link on /tf where tf2_msgs is installed."
    )
    cpu: int = setting(
        -1,
        "The CPU on which alone the control loop runs; -1: any.",
        at_least=-1,
        at_most=1023,
        allowed="a CPU that is there",
    )
    lock_memory: bool = setting(False, "Whether to keep the node's memory from being paged out.")


@dataclass(frozen=True)
class SimParameters(RobotParameters):
    """Parameters of `sim_node`."""

    robot: str = setting(
        "humanoid",
        "The robot: 'humanoid', 'vehicle', or one that another package brings.",
        allowed="humanoid, vehicle, or the name of a robot of another package",
    )
    seed: int = setting(0, "The seed of the simulated world.", at_least=0, at_most=2**31 - 1)
    randomize: bool = setting(
        False, "Whether to draw the robot by domain randomization, and to push it."
    )
    speed: float = setting(
        1.0,
        "Simulated seconds per second; 0: in lockstep, as fast as commands come. Other values than "
        "1 need `clock`, and nodes with use_sim_time.",
        at_least=0.0,
        at_most=100.0,
        allowed="1 without clock",
    )
    clock: bool = setting(
        False, "Whether to publish /clock and to stamp messages with simulated time."
    )
    interface: str = setting(
        "forward",
        "The commands that the robot takes: 'forward' (forward_*_controller), 'trajectory' "
        "(joint_trajectory_controller) or 'twist' (ackermann_steering_controller).",
        allowed="forward; trajectory for the humanoid; twist for the vehicle",
    )
    datum: str = setting(
        "48.0 11.0 500.0",
        "The latitude and longitude (degrees) and height (m) of the world's origin.",
        allowed="three numbers with spaces between",
    )


@dataclass(frozen=True)
class RecorderParameters:
    """Parameters of `recorder`."""

    folder: str = setting("bags", "The folder of the bags.")
    topics: str = setting(
        "",
        "The recorded topics, as a regular expression for their whole names; empty: all of the "
        "node's namespace, and /tf, /tf_static, /clock, /diagnostics and /rosout.",
        allowed="a Python regular expression, or empty",
    )
    total_mb: float = setting(
        2000.0,
        "The size that all bags of the folder may take, in MB; the oldest files are removed.",
        at_least=1.0,
        at_most=1e7,
        allowed="twice file_mb at least",
    )
    file_mb: float = setting(
        100.0,
        "The size of a file, in MB; so much and a quarter must be free.",
        at_least=0.1,
        at_most=1e6,
    )
    discovery_seconds: float = setting(
        0.5, "The time between two looks for new topics, in seconds.", at_least=0.05, at_most=60.0
    )
    nice: int = setting(
        5,
        "The nice value of this process, by which it gives way to others.",
        at_least=0,
        at_most=19,
    )


NODES: dict[str, type[Any]] = {
    "edge_node": EdgeParameters,
    "sim_node": SimParameters,
    "recorder": RecorderParameters,
}
_OF_ALL = ("use_sim_time",)


def names(node: str) -> tuple[str, ...]:
    """The parameters that a node of this package takes."""
    return (*(field.name for field in dataclasses.fields(NODES[node])), *_OF_ALL)
