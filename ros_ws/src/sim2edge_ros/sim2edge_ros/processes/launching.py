"""Describes a robot's graph to `launch`, with the same parameters as `sim2edge up`."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from edge_runtime.errors import UserError
from edge_runtime.plugins import import_everywhere
from sim2edge_ros.node_process import PARENT, REFUSED
from sim2edge_ros.processes.child_processes import GRACE
from sim2edge_ros.processes.up import (
    default_parameters,
    parameter_files,
    parameters_without_effect,
    prepare,
)
from sim2edge_ros.settings.robot_file import model

_PACKAGE = "sim2edge_ros"
_STATE_PUBLISHER = "robot_state_publisher"
_RECORDER = "recorder"
_NAME, _IMPORT = "name", "import"
_YES = "true"
_BOOLEAN = (_YES, "false")
_CHOICES = {
    "robot": ("sim", "real"),
    "autostart": ("", *_BOOLEAN),
    "clock": ("", *_BOOLEAN),
    "respawn": _BOOLEAN,
    _STATE_PUBLISHER: ("auto", *_BOOLEAN),
}


def launch_description(robot: str = "") -> Any:
    """Returns the launch description of a robot.

    The edge node manages its own lifecycle: with `autostart` it configures and activates itself,
    also after a respawn; without it, a lifecycle manager or `ros2 lifecycle set` does.

    Args:
        robot: humanoid or vehicle; by default the one that the argument `name` names.
    """
    declared = [
        DeclareLaunchArgument(
            name,
            default_value=default,
            description=description,
            choices=_CHOICES.get(name),
        )
        for name, default, description in _arguments(robot)
    ]

    def nodes(context: Any) -> list[Any]:
        names = (argument.name for argument in declared)
        given = {name: LaunchConfiguration(name).perform(context) for name in names}
        if given[_IMPORT]:
            import_everywhere(given[_IMPORT].split(","))
        name = robot or given[_NAME]
        prepare(name)
        return _nodes(name, given)

    return LaunchDescription([*declared, OpaqueFunction(function=nodes)])


def _arguments(robot: str) -> tuple[tuple[str, str, str], ...]:
    """Returns name, default and description of each argument."""
    named = () if robot else ((_NAME, "", "The robot, which another package brings."),)
    usual = default_parameters(robot) if robot else "the parameters that all robots start with"
    return (
        *named,
        (_IMPORT, "", "Modules that register robots and tasks, separated by commas."),
        ("robot", "sim", "The simulated robot, or the real one, whose topics are there."),
        ("policy", "", "The policy file (.onnx); empty: as in params, else the product's own."),
        ("params", "", f"A parameter file (YAML) that overrides {usual}."),
        ("namespace", "", "The namespace of all nodes and topics; one for each robot."),
        ("autostart", "", "Let the edge node configure and activate itself; empty: as in params."),
        ("respawn", _YES, "Restart a node that failed."),
        ("record", "", "The folder for a recording (MCAP); empty: none."),
        ("speed", "", "Simulated seconds per second; 1 unless clock is set; empty: as in params."),
        ("clock", "", "Let the simulated robot publish simulated time; empty: as in params."),
        ("odometry_rate", "", "Hz of odometry/filtered and TF; 0: none; empty: as in params."),
        ("provider", "", "The provider: cpu, cuda, tensorrt or auto; empty: as in params."),
        (_STATE_PUBLISHER, "auto", "Start one with the URDF; auto: for the simulated robot."),
    )


def _nodes(robot: str, given: dict[str, str]) -> list[Any]:
    """Returns the nodes for these arguments."""
    simulated = given["robot"] == "sim"
    clock, time = dict[str, bool](), dict[str, bool]()
    if given["clock"]:
        clock["clock"] = time["use_sim_time"] = given["clock"] == _YES
    shared = {
        "namespace": given["namespace"],
        "output": "screen",
        "respawn": given["respawn"] == _YES,
        "respawn_delay": 1.0,
        "sigterm_timeout": str(GRACE),
        "additional_env": {PARENT: str(os.getpid())},
        # A simulated robot has its own time, as other robots of the graph have theirs.
        "remappings": [("/clock", "clock")] if simulated else [],
    }
    failed: set[str] = set()
    mine = [given["params"]] if given["params"] else []
    files = [str(file) for file in parameter_files(robot, *mine)]

    def make(name: str, parameters: dict[str, Any], kind: Callable[..., Any] = Node) -> Any:
        parts = [*files, parameters] if parameters else files
        ended = partial(_ended, name, failed)
        return kind(
            package=_PACKAGE, executable=name, name=name, parameters=parts, on_exit=ended, **shared
        )

    edge: dict[str, Any] = {**_texts(given, "policy", "provider"), **time}
    edge |= _numbers(given, "odometry_rate")
    if given["autostart"]:
        edge["autostart"] = given["autostart"] == _YES
    started = ["edge_node", *["sim_node"] * simulated, *[_RECORDER] * bool(given["record"])]
    lost = parameters_without_effect(given["namespace"], started, *mine)
    made: list[Any] = [LogInfo(msg=f"without effect: {line}") for line in lost]
    made.append(make("edge_node", edge, LifecycleNode))
    if simulated:
        own_model = {"model": given[_STATE_PUBLISHER] == "auto" and not _has_state_publisher()}
        made.append(make("sim_node", {**clock, **own_model, **_numbers(given, "speed")}))
    if given["record"]:
        made.append(make(_RECORDER, {"folder": given["record"], **time}))
    wanted = given[_STATE_PUBLISHER]
    if wanted == _YES or (wanted == "auto" and simulated):
        made.append(_state_publisher(robot, given["namespace"], time, shared))
    return made


def _texts(given: dict[str, str], *names: str) -> dict[str, str]:
    """Returns those of the named arguments that were given."""
    return {name: given[name] for name in names if given[name]}


def _numbers(given: dict[str, str], *names: str) -> dict[str, float]:
    """Returns those of the named arguments that were given, as numbers.

    Raises:
        UserError: one of them is no number.
    """
    try:
        return {name: float(text) for name, text in _texts(given, *names).items()}
    except ValueError as error:
        raise UserError(f"{' or '.join(names)}: {error}") from None


def _ended(node: str, failed: set[str], event: Any, context: Any) -> list[Any]:
    """Handles the end of a node.

    Args:
        node: the node that ended.
        failed: nodes that have failed before.
        event: how the process ended.
        context: the launch context.

    Raises:
        UserError: the node was refused, and would be again; this ends the launch with exit code 1.
    """
    if event.returncode != REFUSED or context.is_shutdown:
        failed.add(node)
        return []
    if node == _RECORDER and node in failed:  # its disk may be full
        return [LogInfo(msg=f"{node}: the robot goes on without it")]
    raise UserError(f"{node} refused its parameters; its last line says why")


def _has_state_publisher() -> bool:
    """Returns whether ROS's robot_state_publisher is installed."""
    try:
        get_package_prefix(_STATE_PUBLISHER)
    except PackageNotFoundError:
        return False
    return True


def _state_publisher(
    robot: str, namespace: str, time: dict[str, Any], shared: dict[str, Any]
) -> Any:
    """Publishes the frames of the links, with the prefix of the nodes' own frames."""
    if not _has_state_publisher():
        return LogInfo(msg=f"{_STATE_PUBLISHER} is not installed: no frames of the robot's links")
    prefix = namespace.strip("/")
    parameters = {
        "robot_description": model(robot).read_text(encoding="utf-8"),
        "frame_prefix": f"{prefix}/" if prefix else "",
        **time,
    }
    return Node(
        package=_STATE_PUBLISHER, executable=_STATE_PUBLISHER, parameters=[parameters], **shared
    )
