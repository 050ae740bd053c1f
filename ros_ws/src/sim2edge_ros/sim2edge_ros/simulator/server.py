"""A simulated robot's border to ROS, as `RealTimeRobot` serves it."""

import time

from edge_runtime.robot import ActuatorCommand, Sample
from sim2edge_ros.simulator.command_intake import CommandIntake
from sim2edge_ros.simulator.sensor_publisher import SensorPublisher


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
        self._commands = commands

    def publish(self, sample: Sample) -> None:
        if self._simulated:
            stamp = (sample.sequence + 1) * self._period  # time 0 means none to ROS
        else:
            stamp = round(sample.stamp * 1e9) + self._offset
        self._sensors.publish(stamp, sample.values)

    def command(self) -> ActuatorCommand | None:
        return self._commands.command()

    def close(self) -> None:
        """Take no more commands."""
        self._commands.close()
