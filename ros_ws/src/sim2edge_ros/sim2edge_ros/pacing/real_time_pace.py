"""Ticks a control loop in step with the robot's samples, on absolute deadlines: for real time."""

import time

from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.deadline import next_release
from sim2edge_ros.sensors.ros_robot import RosRobot

_PAUSE = 0.1  # share of the period for which the robot takes no message, once a sample is whole


class RealTimePace:
    """A tick as soon as a sample is whole, and at its deadline where none comes.

    A sample is expected one period after the last. The deadline is `LoopConfig.phase` of a period
    later: then the tick goes on without it, and the next one is expected where the grid has it, or
    one period after the sample that was too late. So the loop follows a robot whose clock runs at
    another pace, never ticks twice in a period to catch up, and a command leaves as early as it
    can.

    Args:
        loop: which nobody else ticks; its clock is the monotonic one.
        robot: what it drives.
    """

    def __init__(self, loop: ControlLoop, robot: RosRobot) -> None:
        self._loop, self._robot = loop, robot
        self._patience = round(loop.config.phase * loop.period)  # ns
        robot.pause = _PAUSE * loop.period * 1e-9
        self._without = 0  # when the last tick had to go on without a sample, ns; 0: it had one

    def __call__(self) -> None:
        """Until the loop has ended."""
        loop, budget = self._loop, self._loop.budget
        release, missed = time.monotonic_ns(), 0
        while not loop.ended:
            release, due = self._wait(release)
            budget.wake_up.record(time.monotonic_ns() - due)
            loop.tick(missed)
            release, missed = next_release(release, time.monotonic_ns(), loop.period)
            budget.missed += missed

    def _wait(self, expected: int) -> tuple[int, int]:
        """Until a sample is whole, or its deadline.

        Returns:
            When the period began, from which the next sample is expected; when to have woken. ns.
        """
        robot, period = self._robot, self._loop.period
        # What came in the first half of a period was too late for the tick before.
        while robot.whole_at <= expected - period // 2:
            if 0 < self._without < robot.whole_at:
                expected, self._without = max(expected, robot.whole_at + period), 0
            left = expected + self._patience - time.monotonic_ns()
            if left <= 0:
                self._without = time.monotonic_ns()
                return expected, expected + self._patience
            robot.woken.wait(left * 1e-9)
        self._without = 0
        return robot.whole_at, robot.whole_at
