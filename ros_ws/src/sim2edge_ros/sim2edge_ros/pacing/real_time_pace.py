"""Ticks a control loop with the robot's samples, on absolute deadlines, in real time."""

import time

from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.pacing import next_release
from sim2edge_ros.sensors.ros_robot import RosRobot

_PAUSE = 0.1  # share of the period during which the robot receives nothing after a complete sample


class RealTimePace:
    """Ticks as soon as a sample is complete, and at the deadline if none comes.

    A sample is expected one period after the last. The deadline lies `LoopConfig.phase` of a period
    later: then the tick goes on without a sample, and the next one is expected on the grid, or one
    period after the sample that came too late. The loop thus follows a robot whose clock runs at
    another rate, never ticks twice in a period to catch up, and sends each command as early as it
    can.

    Args:
        loop: the control loop, which nothing else ticks, on the monotonic clock.
        robot: the robot that it drives.
    """

    def __init__(self, loop: ControlLoop, robot: RosRobot) -> None:
        self._loop, self._robot = loop, robot
        self._patience = round(loop.config.phase * loop.period)  # ns
        robot.pause = _PAUSE * loop.period * 1e-9
        self._without = 0  # ns, when the last tick had to go on without a sample; 0 if it had one

    def __call__(self) -> None:
        """Ticks until the loop has ended."""
        loop, budget = self._loop, self._loop.budget
        release, missed = time.monotonic_ns(), 0
        while not loop.ended:
            release, due = self._wait(release)
            budget.wake_up.record(time.monotonic_ns() - due)
            loop.tick(missed)
            release, missed = next_release(release, time.monotonic_ns(), loop.period)
            budget.missed += missed

    def _wait(self, expected: int) -> tuple[int, int]:
        """Waits until a sample is complete, or until its deadline.

        Args:
            expected: ns, when the sample is expected.

        Returns:
            When the period began, from which the next sample is expected, and when the thread
            should have woken; both in ns.
        """
        robot, period = self._robot, self._loop.period
        # A sample in the first half of a period was too late for the tick before.
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
