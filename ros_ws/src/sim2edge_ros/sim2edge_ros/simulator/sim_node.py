"""The simulated robot in a process of its own: `ros2 run sim2edge_ros sim_node`."""

import dataclasses
import sys

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from edge_runtime.errors import UserError
from edge_runtime.loop.realtime import RealtimeConfig, realtime
from sim.server.simulated_robot import RealTimeRobot, SimulatedRobot, StopFlag
from sim.tasks import find_task
from sim2edge_ros.messages.spin import spin
from sim2edge_ros.processes.node_process import initialize, refuse
from sim2edge_ros.sensors.geodesy import Datum
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.declaring import declare
from sim2edge_ros.settings.frames import frames
from sim2edge_ros.settings.parameters import SimParameters
from sim2edge_ros.simulator import robot_files
from sim2edge_ros.simulator.command_intake import CommandIntake
from sim2edge_ros.simulator.lockstep import LockstepRobot
from sim2edge_ros.simulator.sensor_publisher import SensorPublisher
from sim2edge_ros.simulator.server import RosServer

LOCKSTEP = 0.0  # as speed


def make(node: Node, parameters: SimParameters) -> tuple[RealTimeRobot | LockstepRobot, RosServer]:
    """The simulated robot, ready to run, and its border, to be closed after that.

    Raises:
        UserError: there is none of that name, or a parameter does not fit.
    """
    if parameters.speed != 1.0 and not parameters.clock:
        raise UserError("parameter 'speed' other than 1 needs 'clock', or stamps would lie")
    if not robot_file.find(parameters.robot).is_file():
        robot_files.make(parameters.robot)
    robot = robot_file.load(parameters.robot)
    task = find_task(robot.task)
    if not parameters.randomize:
        task = dataclasses.replace(task.nominal(), noise=task.noise)
    simulated = SimulatedRobot(task, parameters.seed, truth=True)
    wheeled = robot.description.wheeled
    commands = CommandIntake(node, task.robot.actuators, parameters.interface, wheeled)
    sensors = SensorPublisher(
        node,
        robot,
        simulated.description,
        task.control_period,
        _datum(parameters.datum),
        parameters.clock,
        frames(node.get_namespace(), parameters),
    )
    server = RosServer(sensors, commands, task.control_period, parameters.clock)
    if parameters.speed == LOCKSTEP:
        return LockstepRobot(simulated, server), server
    return RealTimeRobot(simulated, server, parameters.speed), server


def _datum(text: str) -> Datum:
    try:
        latitude, longitude, altitude = map(float, text.split())
    except ValueError:
        raise UserError(
            f"parameter 'datum' is '{text}'; give latitude, longitude and height"
        ) from None
    return Datum(latitude, longitude, altitude)


def main(arguments: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM, or the end of its parent."""
    stop = StopFlag()
    context = Context()
    try:
        initialize(context, arguments)
        node = Node("sim_node", context=context)
        parameters = declare(node, SimParameters)
        robot, server = make(node, parameters)
    except UserError as error:
        return refuse(context, "sim_node", error)
    thread = spin(node, "parameters")
    node.get_logger().info(f"{parameters.robot}: hangs until the first command")
    paced = parameters.speed != LOCKSTEP  # else it takes all the time there is
    with realtime(RealtimeConfig(fifo=parameters.fifo if paced else 0)):
        robot.run(stop)
    server.close()
    rclpy.shutdown(context=context)
    thread.join(2.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
