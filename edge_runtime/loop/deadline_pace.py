"""Ticks a control loop at absolute deadlines, one a period."""

import time

from edge_runtime.errors import UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.pacing import next_release, sleep_until
from edge_runtime.loop.rehearsal import Rehearsal

_LOOK = 2e-4  # s between two looks for the first sample


class DeadlinePace:
    """Ticks a control loop on a grid that begins soon after a new sample of the robot.

    Args:
        loop: the control loop, which nothing else ticks, on the monotonic clock.
        rehearsal: rehearses each tick right before its deadline; None for no rehearsal.
    """

    def __init__(self, loop: ControlLoop, rehearsal: Rehearsal | None = None) -> None:
        self._loop = loop
        self._rehearsed = rehearsal is not None
        self._wait_until = sleep_until if rehearsal is None else rehearsal.wait_until

    def __call__(self) -> None:
        """Ticks until the loop has ended.

        Raises:
            UserError: the robot gave no sample in time.
        """
        loop, budget = self._loop, self._loop.budget
        loop.realtime_report["rehearsal"] = "each tick" if self._rehearsed else "none"
        self._wait_for_sample()
        release, missed = time.monotonic_ns() + round(loop.config.phase * loop.period), 0
        while not loop.ended:
            self._wait_until(release)
            budget.wake_up.record(time.monotonic_ns() - release)
            loop.tick(missed)
            release, missed = next_release(release, time.monotonic_ns(), loop.period)
            budget.missed += missed

    def _wait_for_sample(self) -> None:
        """Waits for a new sample, so that ticks come soon after samples, not just before them."""
        robot, seconds = self._loop.robot, self._loop.config.first_sample_seconds
        patience = time.monotonic() + seconds
        before = robot.read()
        known = None if before is None else before.sequence
        while (sample := robot.read()) is None or sample.sequence == known:
            if time.monotonic() > patience:
                raise UserError(
                    f"robot '{robot.description.name}' gave no sample for {seconds:g} s; "
                    "is it switched on?"
                )
            if self._loop.stopping:
                break
            time.sleep(_LOOK)
