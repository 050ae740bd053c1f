"""Runs the simulated robot as a ROS node: `ros2 run sim2edge_ros sim_node`."""

import sys
from collections.abc import Callable

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from edge_runtime.errors import UserError
from edge_runtime.fusion.geodesy import Datum, is_on_ground
from edge_runtime.loop.realtime import RealtimeConfig, realtime
from sim.server.simulated_robot import RealTimeSimulation, SimulatedRobot
from sim.tasks.task import find_robot_task
from sim2edge_ros.messages.spin import spin
from sim2edge_ros.model.model_publisher import ModelPublisher
from sim2edge_ros.node_process import run_node
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.declaring import declare
from sim2edge_ros.settings.frames import frames
from sim2edge_ros.settings.parameters import SimParameters
from sim2edge_ros.simulator import robot_files
from sim2edge_ros.simulator.command_subscriber import CommandSubscriber
from sim2edge_ros.simulator.lockstep import LockstepSimulation
from sim2edge_ros.simulator.requests import StopAtRest, serve_reset
from sim2edge_ros.simulator.sensor_publisher import SensorPublisher
from sim2edge_ros.simulator.server import RosServer

NAME = "sim_node"
LOCKSTEP = 0.0  # the `speed` that selects lockstep


def make_simulation(
    node: Node, parameters: SimParameters
) -> tuple[RealTimeSimulation | LockstepSimulation, RosServer]:
    """Builds the simulated robot, ready to run, and its server, which is to be closed afterwards.

    Raises:
        UserError: there is no robot of that name, or a parameter does not fit.
    """
    if parameters.speed != 1.0 and not parameters.clock:
        raise UserError(
            "parameter 'speed' other than 1 needs 'clock', for stamps in real time would be wrong"
        )
    if not robot_file.find(parameters.robot).is_file():
        robot_files.write_robot(parameters.robot)
    robot = robot_file.load(parameters.robot)
    task = find_robot_task(robot.task)
    simulated = SimulatedRobot.at_rest(
        task, parameters.seed, truth=True, randomize=parameters.randomize
    )
    wheeled = robot.description.wheeled
    commands = CommandSubscriber(node, task.robot.actuators, parameters.interface, wheeled)
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
        return LockstepSimulation(simulated, server), server
    return RealTimeSimulation(simulated, server, parameters.speed), server


def _datum(text: str) -> Datum:
    try:
        latitude, longitude, altitude = map(float, text.split())
    except ValueError:
        raise UserError(
            f"parameter 'datum' is '{text}'; give latitude, longitude and height"
        ) from None
    if not is_on_ground(latitude, longitude, altitude):
        raise UserError(
            f"parameter 'datum' is '{text}', which is nowhere on the ground; give latitude and "
            "longitude in degrees and height in m, as '48.0 11.0 500.0'"
        )
    return Datum(latitude, longitude, altitude)


def main(arguments: list[str] | None = None) -> int:
    """Runs the node until SIGINT, SIGTERM or the end of its parent process."""
    stop = StopAtRest()

    def make(context: Context, name: str) -> Callable[[], None]:
        node = Node(name, context=context)
        parameters = declare(node, SimParameters)
        robot, server = make_simulation(node, parameters)
        serve_reset(node, robot.simulated)
        if parameters.model:
            urdf = robot_file.model(parameters.robot).read_text(encoding="utf-8")
            ModelPublisher(node, urdf, frames(node.get_namespace(), parameters).prefix)
        stop.server = server
        # Lockstep takes all the time there is, so it gets no priority.
        fifo = 0 if parameters.speed == LOCKSTEP else parameters.fifo

        def serve() -> None:
            thread = spin(node, "parameters")
            node.get_logger().info(f"{parameters.robot}: hangs until the first command")
            with realtime(RealtimeConfig(fifo=fifo)):
                robot.run(stop)
            server.close()
            rclpy.shutdown(context=context)
            thread.join(2.0)

        return serve

    return run_node(NAME, arguments, make)


if __name__ == "__main__":
    sys.exit(main())
