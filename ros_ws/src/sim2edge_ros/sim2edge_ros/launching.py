"""What the launch files share: one graph for one robot, from the same parameters as `up`."""

from typing import Any

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import LifecycleNode, Node

from sim2edge_ros.up import default_parameters, default_policy

_PACKAGE = "sim2edge_ros"


def describe(robot: str) -> Any:
    """The launch description of a robot.

    The edge node's life cycle is its own: with `autostart` it configures and activates itself, and
    does so again after a respawn; without, a lifecycle manager or `ros2 lifecycle set` does.

    Args:
        robot: humanoid or vehicle.
    """
    argument = LaunchConfiguration
    simulated = PythonExpression(["'", argument("robot"), "' == 'sim'"])
    recording = argument("record")
    # A simulated robot has a time of its own, as other robots of the graph have theirs.
    time = PythonExpression(["'clock' if '", argument("robot"), "' == 'sim' else '/clock'"])
    shared = {
        "namespace": argument("namespace"),
        "output": "screen",
        "remappings": [("/clock", time)],
        "respawn_delay": 1.0,
    }
    sim = Node(
        package=_PACKAGE,
        executable="sim_node",
        name="sim_node",
        condition=IfCondition(simulated),
        parameters=[argument("params"), {"speed": argument("speed"), "clock": argument("clock")}],
        respawn=argument("respawn"),
        **shared,
    )
    edge = LifecycleNode(
        package=_PACKAGE,
        executable="edge_node",
        name="edge_node",
        parameters=[
            argument("params"),
            {
                "policy": argument("policy"),
                "autostart": argument("autostart"),
                "use_sim_time": argument("clock"),
                "odometry_rate": argument("odometry_rate"),
                "provider": argument("provider"),
            },
        ],
        respawn=argument("respawn"),
        **shared,
    )
    recorder = Node(
        package=_PACKAGE,
        executable="recorder",
        name="recorder",
        condition=UnlessCondition(PythonExpression(["'", recording, "' == ''"])),
        parameters=[{"folder": recording, "use_sim_time": argument("clock")}],
        respawn=argument("respawn"),
        **shared,
    )
    return LaunchDescription([*_arguments(robot), sim, edge, recorder])


def _arguments(robot: str) -> list[Any]:
    rate = "50.0" if robot == "humanoid" else "25.0"
    rows = (
        ("robot", "sim", "'sim' for the simulated robot, 'real' for one whose topics are there"),
        ("policy", str(default_policy(robot)), "the policy file (.onnx)"),
        ("params", str(default_parameters(robot)), "parameters of the nodes (YAML)"),
        ("namespace", "", "of all nodes and topics; one for each robot of a graph"),
        ("autostart", "true", "configure and activate the edge node as soon as the robot is there"),
        ("respawn", "true", "start a node again that failed"),
        ("provider", "cpu", "what computes the network: cpu, cuda, tensorrt, or auto to measure"),
        ("record", "", "folder for a recording (MCAP); empty for none"),
        ("speed", "1.0", "of the simulated robot; other than 1 needs clock"),
        ("clock", "false", "simulated time, which the simulated robot publishes on /clock"),
        ("odometry_rate", rate, "Hz of odometry/filtered and TF; 0 for none"),
    )
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in rows
    ]
