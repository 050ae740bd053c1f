"""Connects a simulated robot to ROS topics."""

import time

from edge_runtime.robot.robot import ActuatorCommand, Sample
from sim2edge_ros.simulator.command_subscriber import CommandSubscriber
from sim2edge_ros.simulator.sensor_publisher import SensorPublisher


class RobotClock:
    """Stamps a robot's samples in real time, one control period apart.

    A simulator that was held up for part of a period goes on from there, for its robot has not
    moved meanwhile; a clock that jumped would tear the IMU's readings from their periods. Whole
    periods that were lost are left out, so that the clock stays with the system's.

    Args:
        period: ns, of the control loop.
    """

    def __init__(self, period: int) -> None:
        self._period = period
        self._begun: int | None = None  # ns, the time of sample 0

    def stamp(self, sequence: int, now: int) -> int:
        """Returns the stamp of a sample, ns.

        Args:
            sequence: number of the sample.
            now: the system's time at which the sample was due, ns.
        """
        if self._begun is None:
            self._begun = now - sequence * self._period
        stamp = self._begun + sequence * self._period
        lost = (now - stamp) // self._period * self._period
        self._begun += max(lost, 0)
        return stamp + max(lost, 0)


class RosServer:
    """Publishes samples and receives commands, for `RealTimeSimulation` and `LockstepSimulation`.

    Args:
        sensors: publishes the samples.
        commands: receives the commands.
        period: s, of the control loop, in simulated time.
        simulated_time: whether stamps are simulated time; else they are the system's.
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
            # To ROS, time 0 means that there is no time
            stamp = (sample.sequence + 1) * self._period
        else:
            stamp = self._clock.stamp(sample.sequence, round(sample.stamp * 1e9) + self._offset)
        self._sensors.publish(stamp, sample.values)

    def command(self) -> ActuatorCommand | None:
        return self._commands.command()

    @property
    def has_commander(self) -> bool:
        """Returns whether some node publishes a command that moves the robot."""
        return self._commands.has_commander

    @property
    def commanded_at(self) -> float:
        """Returns when the last command came, s on the monotonic clock."""
        return self._commands.commanded_at

    def close(self) -> None:
        """Receives no more commands."""
        self._commands.close()
