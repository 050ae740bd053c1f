"""A control loop in step with the robot's samples, on a grid of absolute deadlines."""

import time

from edge_runtime.deadline import next_release
from edge_runtime.fusion import Fusion
from edge_runtime.inference import Policy
from edge_runtime.loop import ControlLoop, LoopConfig
from sim2edge_ros.ros_robot import RosRobot


class SamplePacedLoop(ControlLoop):
    """Ticks as soon as a sample is whole, and at its deadline where none comes.

    A sample is expected one period after the last. The deadline is `LoopConfig.phase` of a period
    later: then the tick goes on without it, and the next one is expected where the grid has it. So
    the loop follows a robot whose clock runs at another pace, never ticks twice in a period to
    catch up, and a command leaves as early as it can.

    Args:
        policy: what drives the robot.
        robot: what is driven.
        fusion: the estimator.
        config: how the loop runs.
    """

    robot: RosRobot

    def __init__(self, policy: Policy, robot: RosRobot, fusion: Fusion, config: LoopConfig) -> None:
        super().__init__(policy, robot, fusion, config)
        self._patience = round(config.phase * self.period)  # ns from when a sample is expected

    def _drive(self) -> None:
        release, missed = self._first_release(), 0
        while not self.ended:
            release, due = self._wait(release)
            self.budget.wake_up.record(self._clock() - due)
            self.tick(missed)
            release, missed = next_release(release, self._clock(), self.period)
            self.budget.missed += missed

    def _wait(self, expected: int) -> tuple[int, int]:
        """Until a sample is whole, or its deadline.

        Returns:
            When the period began, from which the next sample is expected; when to have woken. ns.
        """
        robot = self.robot
        # What came in the first half of the period is the last sample, too late for its tick.
        earliest, deadline = expected - self.period // 2, expected + self._patience
        while robot.whole_at <= earliest:
            left = deadline - time.monotonic_ns()
            if left <= 0:
                return expected, deadline
            robot.woken.wait(left * 1e-9)
            robot.woken.clear()
        return robot.whole_at, robot.whole_at
