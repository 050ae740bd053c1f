"""A simulated robot's border to ROS, as `RealTimeRobot` serves it."""

import time

from edge_runtime.robot.robot import ActuatorCommand, Sample
from sim2edge_ros.simulator.command_subscriber import CommandSubscriber
from sim2edge_ros.simulator.sensor_publisher import SensorPublisher


class RobotClock:
    """A robot's clock in real time: it advances by a control period from sample to sample.

    A simulator that was held up for part of a period goes on from there, for its robot has not
    moved meanwhile; a clock that jumped would tear the IMU's readings from their periods. Whole
    periods that were lost are left out, so it stays with the system's.

    Args:
        period: ns, of the control loop.
    """

    def __init__(self, period: int) -> None:
        self._period = period
        self._begun: int | None = None  # ns, the time of sample 0

    def stamp(self, sequence: int, now: int) -> int:
        """Of a sample, ns.

        Args:
            sequence: of the sample.
            now: the system's time for which it was meant, ns.
        """
        if self._begun is None:
            self._begun = now - sequence * self._period
        stamp = self._begun + sequence * self._period
        lost = (now - stamp) // self._period * self._period
        self._begun += max(lost, 0)
        return stamp + max(lost, 0)


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
        commands: CommandSubscriber,
        period: float,
        simulated_time: bool,
    ) -> None:
        self._sensors, self._period = sensors, round(period * 1e9)
        self._simulated = simulated_time
        self._offset = time.time_ns() - time.monotonic_ns()
        self._commands = commands
        self._clock = RobotClock(self._period)

    def publish(self, sample: Sample) -> None:
        if self._simulated:
            stamp = (sample.sequence + 1) * self._period  # time 0 means none to ROS
        else:
            stamp = self._clock.stamp(sample.sequence, round(sample.stamp * 1e9) + self._offset)
        self._sensors.publish(stamp, sample.values)

    def command(self) -> ActuatorCommand | None:
        return self._commands.command()

    @property
    def has_commander(self) -> bool:
        """Whether somebody publishes commands."""
        return self._commands.has_commander

    def close(self) -> None:
        """Take no more commands."""
        self._commands.close()
