"""The nodes' parameters: each with its default, description and range, declared from here."""

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterUninitializedException,
)
from rclpy.node import Node

from edge_runtime.errors import UserError

T = TypeVar("T")


def parameter(
    default: Any, description: str, lower: float | None = None, upper: float | None = None
) -> Any:
    """A field of a node's parameters, for `declare`."""
    about = {"description": description, "lower": lower, "upper": upper}
    return dataclasses.field(default=default, metadata=about)


@dataclass(frozen=True)
class RobotParameters:
    """Of both nodes."""

    robot: str = parameter(
        "humanoid", "The robot: 'humanoid', 'vehicle', or the path of a robot file (.json)."
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

    policy: str = parameter("", "The policy file (.onnx).")
    candidate: str = parameter(
        "", "The policy file that the services `~/load` and `~/shadow` take."
    )
    fusion: str = parameter("auto", "The estimator, as of `sim2edge run --fusion`.")
    provider: str = parameter(
        "cpu",
        "What computes the network: 'cpu', 'cuda', 'tensorrt', or 'auto' for the fastest of those "
        "that are here, measured when a policy is loaded. If it fails, the CPU does.",
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
        "auto", "'twist', 'twist_stamped', or 'auto': what is published, else the distro's."
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
    cpu: int = parameter(-1, "Run the control loop on this CPU alone; -1: any.", -1, 1023)
    lock_memory: bool = parameter(False, "Keep the node's memory from being paged out.")


@dataclass(frozen=True)
class SimParameters(RobotParameters):
    """Of `sim_node`."""

    robot: str = parameter("humanoid", "The robot: 'humanoid' or 'vehicle'.")
    seed: int = parameter(0, "Of the simulated world.", 0, 2**31 - 1)
    randomize: bool = parameter(False, "Draw another robot by domain randomization, with pushes.")
    speed: float = parameter(
        1.0,
        "Simulated seconds in a second; 0: in lockstep, as fast as commands come. Other than 1 "
        "needs `clock`, and nodes with use_sim_time.",
        0.0,
        100.0,
    )
    clock: bool = parameter(False, "Publish /clock and stamp with simulated time.")
    interface: str = parameter(
        "forward",
        "The commands it takes: 'forward' (forward_*_controller), 'trajectory' "
        "(joint_trajectory_controller) or 'twist' (ackermann_steering_controller).",
    )
    datum: str = parameter(
        "48.0 11.0 500.0",
        "Latitude and longitude (degrees) and height (m) of the world's origin.",
    )


def described(field: dataclasses.Field[Any]) -> str:
    """What a parameter means, and its range if it has one."""
    about = field.metadata
    lower, upper = about["lower"], about["upper"]
    reach = "" if lower is None else f" From {lower:g} to {upper:g}."
    return f"{about['description']}{reach}"


def declare(node: Node, kind: type[T]) -> T:
    """Declare all parameters of a node and read them.

    Raises:
        UserError: one is of the wrong type or beyond its range.
    """
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cast(Any, kind))
    return kind(**{field.name: _declare(node, field) for field in fields})


def _declare(node: Node, field: dataclasses.Field[Any]) -> Any:
    about, default = field.metadata, field.default
    descriptor = ParameterDescriptor(description=about["description"], read_only=False)
    lower, upper = about["lower"], about["upper"]
    allowed = "" if lower is None else f", which is from {lower:g} to {upper:g}"
    if lower is not None and isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(lower), to_value=float(upper), step=0.0)
        ]
    elif lower is not None:
        descriptor.integer_range = [
            IntegerRange(from_value=int(lower), to_value=int(upper), step=0)
        ]
    try:
        return node.declare_parameter(field.name, default, descriptor).value
    except InvalidParameterValueException:
        raise UserError(
            f"parameter '{field.name}' is out of its range{allowed}: {about['description']}"
        ) from None
    except (InvalidParameterTypeException, ParameterUninitializedException):
        kind = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
        raise UserError(
            f"parameter '{field.name}' must be {kind[type(default)]}{allowed}: "
            f"{about['description']}"
        ) from None
