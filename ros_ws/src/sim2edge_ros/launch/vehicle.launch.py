"""Starts the car: `ros2 launch sim2edge_ros vehicle.launch.py robot:=sim`."""

from typing import Any

from sim2edge_ros.processes.launching import launch_description


def generate_launch_description() -> Any:
    """Describes a graph of robot, edge node and, if asked for, a recorder."""
    return launch_description("vehicle")
