"""Handles requests to the simulated robot's node: to end, and to set its robot to the start."""

import importlib
import importlib.util
import math
import time
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Empty

from sim.server.simulated_robot import SimulatedRobot, StopFlag
from sim2edge_ros.simulator.server import RosServer

_QUIET = 1.0  # s without a command after which nobody drives the robot
_LONGEST = 16.0  # s for which a robot that is driven stays; an edge node stops it within


class StopAtRest(StopFlag):
    """Becomes true once the process was asked to end and nobody drives the robot any more.

    Ctrl-C under `launch` reaches the simulator and the edge node at once, and that one brings the
    robot to rest first. A second signal ends the process at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server: RosServer | None = None  # which receives the commands
        self._until = math.inf

    def __bool__(self) -> bool:
        if not super().__bool__():
            return False
        now = time.monotonic()
        self._until = min(self._until, now + _LONGEST)
        driven = self.server is not None and now - self.server.commanded_at < _QUIET
        return self._asked > 1 or not driven or now > self._until


def serve_reset(node: Node, robot: SimulatedRobot) -> None:
    """Offers `~/reset`, and the standard `reset_simulation` where its package is installed.

    The robot is set back between two control periods, and hangs until the next command.

    Args:
        node: the node that serves.
        robot: the simulated robot.
    """

    def reset(request: Any, response: Any) -> Any:
        robot.restart_asked = True
        if hasattr(response, "result"):
            response.result.result = response.result.RESULT_OK
        return response

    node.create_service(Empty, "~/reset", reset)
    if importlib.util.find_spec("simulation_interfaces") is not None:
        services = importlib.import_module("simulation_interfaces.srv")
        node.create_service(services.ResetSimulation, "reset_simulation", reset)
