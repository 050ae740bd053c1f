"""Reads a robot without the samples that no healthy sensor gives."""

import math
from collections.abc import Sequence

import numpy as np

from edge_runtime.policy.contract import POSITION, Actuator
from edge_runtime.robot.robot import ActuatorCommand, RehearsingRobot, Robot, Sample
from edge_runtime.safety.possible import (
    ImpossibleReading,
    ImuBounds,
    JointBounds,
    check_attitude,
    check_force,
    check_ranges,
    check_receiver_velocity,
)
from edge_runtime.signals import (
    ATTITUDE,
    FOOT_FORCE,
    GNSS_VELOCITY,
    IMU_ACCEL,
    IMU_GYRO,
    LIDAR,
    WHEEL_SPEED,
    Signals,
)


class PossibleRobot:
    """Implements `Robot` with the samples of another that are possible.

    An encoder that slipped, degrees for radians and g for m/s^2 are finite, so that a policy would
    act on them. Such a sample counts as none here: one alone changes nothing, and if they go on the
    guard stops the robot, because no new sample comes.

    Args:
        robot: the robot to read.
        actuators: the policy's, whose ranges and speeds bound what joints can read.
        period: s, between two samples.
    """

    def __init__(self, robot: Robot, actuators: Sequence[Actuator], period: float) -> None:
        self.description, self._robot = robot.description, robot
        sizes = {signal.name: signal.size for signal in self.description.signals}
        joints = self.description.joint_names
        wheels = tuple(f"wheel {number + 1}" for number in range(sizes.get(WHEEL_SPEED, 0)))
        positions = [a.name for a in actuators if a.mode == POSITION]
        steering = positions[0] if len(positions) == 1 else ""
        self._joints = JointBounds(joints, wheels, steering, actuators, period)
        self._has_imu = {IMU_GYRO, IMU_ACCEL} <= set(sizes)
        self._imu = ImuBounds()
        wheeled = self.description.wheeled
        reach = wheeled.lidar.max_range if wheeled and wheeled.lidar else math.inf
        self._farthest = reach  # m, of the lidar
        self._seen: tuple[int, float] = (-1, math.nan)  # number and stamp of the newest sample
        self.refused = 0  # samples
        self.complaint = ""  # why the newest sample is refused; "" if it is not
        self.first_complaint = ""
        if isinstance(robot, RehearsingRobot):
            self.rehearse = robot.rehearse

    def read(self) -> Sample | None:
        """Returns the newest sample, or None where it is impossible."""
        sample = self._robot.read()
        if sample is None:
            return None
        seen = sample.sequence, sample.stamp
        if seen != self._seen:
            self._seen = seen
            self._judge(sample)
        return None if self.complaint else sample

    def write(self, command: ActuatorCommand) -> None:
        self._robot.write(command)

    def close(self) -> None:
        self._robot.close()

    def described(self) -> str:
        """Returns one line that says how many samples were refused, and why the first was."""
        count = "1 sample" if self.refused == 1 else f"{self.refused} samples"
        return f"{count} that cannot be; {self.first_complaint}"

    def _judge(self, sample: Sample) -> None:
        self.complaint = ""
        signals = self.description.split(sample.values)
        try:
            self._joints.check(sample.stamp, {n: v[0].copy() for n, v in signals.items()}, False)
            self._judge_others(signals)
            if self._has_imu:
                reading = np.concatenate([signals[IMU_GYRO][0], signals[IMU_ACCEL][0]])
                self._imu.check(sample.stamp, reading.astype(np.float64), False)
        except ImpossibleReading as impossible:
            self.complaint = str(impossible)
            self.refused += 1
            self.first_complaint = self.first_complaint or self.complaint

    def _judge_others(self, signals: Signals) -> None:
        if LIDAR in signals:
            check_ranges(signals[LIDAR][0], self._farthest)
        for force in signals[FOOT_FORCE][0].tolist() if FOOT_FORCE in signals else ():
            check_force(force)
        if GNSS_VELOCITY in signals:
            check_receiver_velocity(signals[GNSS_VELOCITY][0])
        if ATTITUDE in signals:
            check_attitude(signals[ATTITUDE][0])
