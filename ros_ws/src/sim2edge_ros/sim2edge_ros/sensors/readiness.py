"""Waits, before the first command, until a robot's sensors report and it stands upright."""

import time

from edge_runtime.errors import UserError
from sim2edge_ros.sensors.ros_robot import RosRobot

_FRESH = 2.0  # s for a new sample to arrive
_POLL = 0.005  # s


def wait_for_sensors(robot: RosRobot, max_tilt: float) -> None:
    """Waits for a new sample of all sensors.

    Args:
        robot: the robot.
        max_tilt: rad, the most that its policy drives.

    Raises:
        UserError: a sensor is missing, two nodes publish one, no new sample arrives, or the robot
            lies on the ground.
    """
    before, until = robot.whole_at, time.monotonic() + _FRESH
    robot.look_around()
    while robot.trouble() or not robot.ready or robot.whole_at == before:
        if time.monotonic() > until:
            trouble = robot.trouble(explained=True)
            raise UserError("; ".join(trouble) or "the robot gives no whole sample")
        time.sleep(_POLL)
        robot.look_around()
    tilt = robot.tilt()
    if tilt > max_tilt:
        raise UserError(
            f"the robot lies: it is tilted by {tilt:.2g} rad, and {max_tilt:.2g} rad is the most "
            "that its policy drives; set it upright"
        )
