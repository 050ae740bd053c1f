"""The simulated robot in a process of its own: `ros2 run sim2edge_ros sim_node`."""

import dataclasses
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from edge_runtime.errors import UserError
from edge_runtime.realtime import RealtimeConfig, realtime
from edge_runtime.robot import ActuatorCommand, Sample
from sim2edge_ros import robot_file
from sim2edge_ros.distro import make_executor
from sim2edge_ros.geodesy import Datum
from sim2edge_ros.parameters import SimParameters, declare
from sim2edge_ros.simulator.command_intake import CommandIntake
from sim2edge_ros.simulator.sensor_publisher import SensorPublisher
from sim.simulated_robot import RealTimeRobot, SimulatedRobot, StopFlag
from sim.tasks import find_task

REFUSED = 2  # exit code
TASKS = {"humanoid": "HumanoidVelocity", "vehicle": "VehicleTrack"}


class RosServer:
    """What `RealTimeRobot` serves: samples to topics, commands from topics.

    Args:
        sensors: publishes.
        commands: subscribes.
        period: s, of the control loop, in simulated time.
        simulated_time: stamp with it; else with the system's time.
    """

    def __init__(
        self,
        sensors: SensorPublisher,
        commands: CommandIntake,
        period: float,
        simulated_time: bool,
    ) -> None:
        self._sensors, self._period = sensors, round(period * 1e9)
        self._simulated = simulated_time
        self._offset = time.time_ns() - time.monotonic_ns()
        self.command = commands.command

    def publish(self, sample: Sample) -> None:
        if self._simulated:
            stamp = (sample.sequence + 1) * self._period  # time 0 means none to ROS
        else:
            stamp = round(sample.stamp * 1e9) + self._offset
        self._sensors.publish(stamp, sample.values)


def make(node: Node, parameters: SimParameters) -> RealTimeRobot:
    """The simulated robot, ready to run.

    Raises:
        UserError: there is none of that name, or a parameter does not fit.
    """
    if parameters.robot not in TASKS:
        raise UserError(f"no simulated robot '{parameters.robot}'; there are {', '.join(TASKS)}")
    if parameters.speed != 1.0 and not parameters.clock:
        raise UserError("parameter 'speed' other than 1 needs 'clock', or stamps would lie")
    task = find_task(TASKS[parameters.robot])
    if not parameters.randomize:
        task = dataclasses.replace(task.nominal(), noise=task.noise)
    simulated = SimulatedRobot(task, parameters.seed, truth=True)
    robot = robot_file.load(parameters.robot)
    wheeled = robot.description.wheeled
    commands = CommandIntake(node, task.robot.actuators, parameters.interface, wheeled)
    sensors = SensorPublisher(
        node,
        robot,
        simulated.description,
        task.control_period,
        _datum(parameters.datum),
        parameters.clock,
        (parameters.odom_frame, robot.imu_frame),
    )
    server = RosServer(sensors, commands, task.control_period, parameters.clock)
    return RealTimeRobot(simulated, server, parameters.speed)


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
    context = rclpy.Context()
    rclpy.init(
        args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO
    )
    stop = StopFlag()
    node = Node("sim_node", context=context)
    try:
        parameters = declare(node, SimParameters)
        robot = make(node, parameters)
    except UserError as error:
        print(f"sim_node: {error}", file=sys.stderr)
        rclpy.shutdown(context=context)
        return REFUSED
    executor = make_executor(context)
    executor.add_node(node)
    thread = threading.Thread(target=_spin, args=(executor,), name="commands", daemon=True)
    thread.start()
    node.get_logger().info(f"{parameters.robot}: hangs until the first command")
    with realtime(RealtimeConfig(fifo=parameters.fifo)):
        robot.run(stop, record=False)
    executor.shutdown()
    rclpy.shutdown(context=context)
    thread.join(2.0)
    return 0


def _spin(executor: Any) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass


if __name__ == "__main__":
    sys.exit(main())
