"""The nodes' parameters: each with its default, description and range. `declaring` declares them.

Nothing of ROS is needed to read this.
"""

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


def parameter(
    default: Any,
    description: str,
    lower: float | None = None,
    upper: float | None = None,
    allowed: str = "",
) -> Any:
    """A field of a node's parameters, for `declare`.

    Args:
        default: its default, which has its type.
        description: what it means; a sentence.
        lower: the least it may be, with `upper` the most.
        upper: see there.
        allowed: what it may be beyond its type and range, for the descriptor's constraints.
    """
    about = {"description": description, "lower": lower, "upper": upper, "allowed": allowed}
    return dataclasses.field(default=default, metadata=about)


_POLICY = "a policy file (.onnx) for this robot, or empty"


@dataclass(frozen=True)
class RobotParameters:
    """Of both nodes."""

    robot: str = parameter(
        "humanoid",
        "The robot: 'humanoid', 'vehicle', one that another package brings and `sim2edge up` has "
        "simulated, or the path of a robot file (.json).",
        allowed="humanoid, vehicle, the name of a robot of another package, or the path of a "
        "robot file that is there",
    )
    base_frame: str = parameter(
        "", "Frame of the robot's base; empty: 'base_link', behind the namespace ('h1/base_link')."
    )
    odom_frame: str = parameter(
        "", "Frame in which odometry is given (REP-105); empty: 'odom', behind the namespace."
    )
    fifo: int = parameter(0, "Priority under SCHED_FIFO of the paced thread; 0: normal.", 0, 99)


@dataclass(frozen=True)
class EdgeParameters(RobotParameters):
    """Of `edge_node`."""

    policy: str = parameter(
        "",
        "The policy file (.onnx); empty: the one that comes with the product for this robot.",
        allowed=_POLICY,
    )
    candidate: str = parameter(
        "",
        "The policy file that the services `~/load` and `~/shadow` take.",
        allowed=_POLICY,
    )
    fusion: str = parameter(
        "auto",
        "The estimator, as of `sim2edge run --fusion`.",
        allowed="auto, robot, vqf, legged, wheeled, or wheeled+lidar",
    )
    provider: str = parameter(
        "cpu",
        "What computes the network: 'cpu', 'cuda', 'tensorrt', or 'auto' for the fastest of those "
        "that are here, measured when a policy is loaded. If it fails, the CPU does.",
        allowed="cpu, cuda, tensorrt, or auto",
    )
    provider_cache: str = parameter(
        "", "Folder for what a provider compiles; empty: ~/.cache/sim2edge/engines."
    )
    autostart: bool = parameter(
        False, "Configure and activate by itself, again and again until the robot is there."
    )
    cmd_vel_timeout: float = parameter(
        0.5, "Seconds without `cmd_vel` after which zero velocity is asked for.", 0.05, 60.0
    )
    cmd_vel_type: str = parameter(
        "auto",
        "'twist', 'twist_stamped', or 'auto': what is published, else the distro's.",
        allowed="twist, twist_stamped, or auto",
    )
    sensor_timeout: float = parameter(
        0.0,
        "Seconds by which a paced sensor may lag behind the IMU before samples are held back; "
        "0: 2.5 control periods.",
        0.0,
        10.0,
    )
    scan_timeout: float = parameter(0.25, "The same for `scan`, in seconds.", 0.01, 10.0)
    phase: float = parameter(
        0.25,
        "Share of the control period by which a sample may be late before the tick goes on "
        "without it.",
        0.0,
        0.4,
    )
    stop_seconds: float = parameter(1.0, "Length of a controlled stop, in seconds.", 0.1, 10.0)
    odometry_rate: float = parameter(
        50.0,
        "Rate of `odometry/filtered` and its TF in Hz, at most the control rate; 0: none.",
        0.0,
        1000.0,
    )
    publish_tf: bool = parameter(True, "Send odom to base_link on /tf where tf2_msgs is there.")
    cpu: int = parameter(
        -1, "Run the control loop on this CPU alone; -1: any.", -1, 1023, "a CPU that is there"
    )
    lock_memory: bool = parameter(False, "Keep the node's memory from being paged out.")


@dataclass(frozen=True)
class SimParameters(RobotParameters):
    """Of `sim_node`."""

    robot: str = parameter(
        "humanoid",
        "The robot: 'humanoid', 'vehicle', or one that another package brings.",
        allowed="humanoid, vehicle, or the name of a robot of another package",
    )
    seed: int = parameter(0, "Of the simulated world.", 0, 2**31 - 1)
    randomize: bool = parameter(False, "Draw another robot by domain randomization, with pushes.")
    speed: float = parameter(
        1.0,
        "Simulated seconds in a second; 0: in lockstep, as fast as commands come. Other than 1 "
        "needs `clock`, and nodes with use_sim_time.",
        0.0,
        100.0,
        "1 without clock",
    )
    clock: bool = parameter(False, "Publish /clock and stamp with simulated time.")
    interface: str = parameter(
        "forward",
        "The commands it takes: 'forward' (forward_*_controller), 'trajectory' "
        "(joint_trajectory_controller) or 'twist' (ackermann_steering_controller).",
        allowed="forward; trajectory for the humanoid; twist for the vehicle",
    )
    datum: str = parameter(
        "48.0 11.0 500.0",
        "Latitude and longitude (degrees) and height (m) of the world's origin.",
        allowed="three numbers with spaces between",
    )


@dataclass(frozen=True)
class RecorderParameters:
    """Of `recorder`."""

    folder: str = parameter("bags", "Folder of the bags.")
    topics: str = parameter(
        "",
        "Which topics, as a regular expression of their whole names; empty: all of the node's "
        "namespace, and /tf, /tf_static, /clock, /diagnostics and /rosout.",
        allowed="a regular expression of Python's, or empty",
    )
    total_mb: float = parameter(
        2000.0,
        "MB that all bags of the folder may take; the oldest make room.",
        1.0,
        1e7,
        "twice file_mb at least",
    )
    file_mb: float = parameter(100.0, "MB of a file; so much and a quarter must be free.", 0.1, 1e6)
    discovery_seconds: float = parameter(
        0.5, "Seconds between two looks for new topics.", 0.05, 60.0
    )
    nice: int = parameter(5, "By how much this process gives way to the others.", 0, 19)


NODES: dict[str, type[Any]] = {
    "edge_node": EdgeParameters,
    "sim_node": SimParameters,
    "recorder": RecorderParameters,
}
_OF_ALL = ("use_sim_time",)


def names(node: str) -> tuple[str, ...]:
    """The parameters that a node of this package takes."""
    return (*(field.name for field in dataclasses.fields(NODES[node])), *_OF_ALL)


def meant(name: str, known: Sequence[str]) -> str:
    """The end of a sentence about an unknown name."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(known)}"


def described(field: dataclasses.Field[Any]) -> str:
    """What a parameter means, and its range if it has one."""
    about = field.metadata
    lower, upper = about["lower"], about["upper"]
    reach = "" if lower is None else f" From {lower:g} to {upper:g}."
    return f"{about['description']}{reach}"
