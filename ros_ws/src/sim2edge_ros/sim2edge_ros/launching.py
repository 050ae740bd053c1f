"""What the launch files share: one graph for one robot, from the same parameters as `up`."""

from collections.abc import Callable
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from sim2edge_ros.robot_file import model
from sim2edge_ros.up import default_parameters, default_policy

_PACKAGE = "sim2edge_ros"
_STATE_PUBLISHER = "robot_state_publisher"
_YES = "true"
_BOOLEAN = (_YES, "false")
_CHOICES = {"robot": ("sim", "real"), _STATE_PUBLISHER: ("auto", *_BOOLEAN)}


def describe(robot: str) -> Any:
    """The launch description of a robot.

    The edge node's life cycle is its own: with `autostart` it configures and activates itself, and
    does so again after a respawn; without, a lifecycle manager or `ros2 lifecycle set` does.

    Args:
        robot: humanoid or vehicle.
    """
    declared = [
        DeclareLaunchArgument(
            name,
            default_value=default,
            description=description,
            choices=_CHOICES.get(name, _BOOLEAN if default in _BOOLEAN else None),
        )
        for name, default, description in _arguments(robot)
    ]

    def nodes(context: Any) -> list[Any]:
        names = (argument.name for argument in declared)
        return _nodes(robot, {name: LaunchConfiguration(name).perform(context) for name in names})

    return LaunchDescription([*declared, OpaqueFunction(function=nodes)])


def _arguments(robot: str) -> tuple[tuple[str, str, str], ...]:
    """Name, default and description of each."""
    return (
        ("robot", "sim", "the simulated one, or the real one, whose topics are there"),
        ("policy", str(default_policy(robot)), "the policy file (.onnx)"),
        ("params", str(default_parameters(robot)), "parameters of the nodes (YAML)"),
        ("namespace", "", "of all nodes and topics; one for each robot of a graph"),
        ("autostart", _YES, "configure and activate the edge node as soon as the robot is there"),
        ("respawn", _YES, "start a node again that failed"),
        ("record", "", "folder for a recording (MCAP); empty for none"),
        ("speed", "", "of the simulated robot, other than 1 needs clock; empty as in params"),
        ("clock", "false", "simulated time, which the simulated robot publishes on clock"),
        ("odometry_rate", "", "Hz of odometry/filtered and TF, 0 for none; empty as in params"),
        ("provider", "", "computes the network: cpu, cuda, tensorrt, auto; empty as in params"),
        (
            _STATE_PUBLISHER,
            "auto",
            "start one with the robot's URDF; auto: with the simulated robot",
        ),
    )


def _nodes(robot: str, given: dict[str, str]) -> list[Any]:
    """The nodes for these arguments."""
    simulated = given["robot"] == "sim"
    time = {"use_sim_time": given["clock"] == _YES}
    shared = {
        "namespace": given["namespace"],
        "output": "screen",
        "respawn": given["respawn"] == _YES,
        "respawn_delay": 1.0,
        # A simulated robot has a time of its own, as other robots of the graph have theirs.
        "remappings": [("/clock", "clock")] if simulated else [],
    }

    def make(name: str, parameters: dict[str, Any], kind: Callable[..., Any] = Node) -> Any:
        files = [given["params"], parameters]
        return kind(package=_PACKAGE, executable=name, name=name, parameters=files, **shared)

    edge = {"policy": given["policy"], "autostart": given["autostart"] == _YES, **time}
    if given["odometry_rate"]:
        edge["odometry_rate"] = float(given["odometry_rate"])
    if given["provider"]:
        edge["provider"] = given["provider"]
    made = [make("edge_node", edge, LifecycleNode)]
    if simulated:
        speed = {"speed": float(given["speed"])} if given["speed"] else {}
        made.append(make("sim_node", {"clock": given["clock"] == _YES, **speed}))
    if given["record"]:
        made.append(make("recorder", {"folder": given["record"], **time}))
    wanted = given[_STATE_PUBLISHER]
    if wanted == _YES or (wanted == "auto" and simulated):
        made.append(_state_publisher(robot, given["namespace"], time, shared))
    return made


def _state_publisher(
    robot: str, namespace: str, time: dict[str, Any], shared: dict[str, Any]
) -> Any:
    """Frames of the links, behind the namespace as the nodes' own are."""
    try:
        get_package_prefix(_STATE_PUBLISHER)
    except PackageNotFoundError:
        return LogInfo(msg=f"{_STATE_PUBLISHER} is not installed: no frames of the robot's links")
    prefix = namespace.strip("/")
    parameters = {
        "robot_description": model(robot).read_text(),
        "frame_prefix": f"{prefix}/" if prefix else "",
        **time,
    }
    return Node(
        package=_STATE_PUBLISHER, executable=_STATE_PUBLISHER, parameters=[parameters], **shared
    )
