"""Starts a robot of another package: `ros2 launch sim2edge_ros robot.launch.py name:=my_robot`."""

from typing import Any

from sim2edge_ros.processes.launching import launch_description


def generate_launch_description() -> Any:
    """Describes the simulated or the real robot, its edge node and, if asked for, a recorder."""
    return launch_description()
