"""Finds the robots by name."""

from typing import Any

from edge_runtime.errors import UserError
from edge_runtime.plugins import Registry

ROBOTS: Registry[Any] = Registry(
    "sim2edge.robots", "robot", wanted="a function that gives a sim.robots.robot.SimRobot"
)
"""Functions without arguments that return a `SimRobot`, by the robots' names."""


def find_robot(name: str) -> Any:
    """Returns the `sim.robots.robot.SimRobot` of that name.

    Raises:
        UserError: there is none, or its package is broken.
    """
    robot = ROBOTS.find(name)()
    if robot.name != name:
        raise UserError(
            f"the robot registered as '{name}' calls itself '{robot.name}'; "
            "give it the same name in both places, by which policies know it"
        )
    return robot
