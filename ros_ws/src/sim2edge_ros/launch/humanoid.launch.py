"""The humanoid: `ros2 launch sim2edge_ros humanoid.launch.py robot:=sim`."""

from typing import Any

from sim2edge_ros.processes.launching import describe


def generate_launch_description() -> Any:
    """Of the simulated or the real robot, its edge node and, if asked for, a recorder."""
    return describe("humanoid")
