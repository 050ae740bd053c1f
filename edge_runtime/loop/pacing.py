"""Paces a periodic loop: absolute deadlines in monotonic nanoseconds, from a first sample on."""

import threading
import time
from collections.abc import Callable

from edge_runtime.errors import UserError
from edge_runtime.robot.robot import Robot


def next_release(release: int, now: int, period: int) -> tuple[int, int]:
    """Returns when the next period starts, after the tick released at `release` ended at `now`.

    ros2_control's overrun rule: if the next release has passed already, the periods that have
    begun are skipped and counted, and the grid of releases stays where it was. So there is never
    a burst of ticks to catch up.

    Returns:
        The next release (>= now, on the grid) and the number of missed periods.
    """
    following = release + period
    if following >= now:
        return following, 0
    missed = -((following - now) // period)  # rounded up
    return following + missed * period, missed


def sleep_until(release: int) -> None:
    """Sleeps until a time of `time.monotonic_ns`, without spinning."""
    left = release - time.monotonic_ns()
    if left > 0:
        time.sleep(left * 1e-9)


def wait_for_sample(
    robot: Robot, seconds: float, ending: threading.Event, clock: Callable[[], int]
) -> None:
    """Waits for a new sample, so that ticks come soon after samples, not just before them.

    Args:
        robot: the robot that gives it.
        seconds: timeout, s.
        ending: ends the wait, once it is set.
        clock: monotonic time, ns.

    Raises:
        UserError: the robot gave no new sample in time.
    """
    patience = clock() + round(seconds * 1e9)
    before = robot.read()
    known = None if before is None else before.sequence
    while (sample := robot.read()) is None or sample.sequence == known:
        if clock() > patience:
            raise UserError(
                f"robot '{robot.description.name}' gave no sample for {seconds:g} s; "
                "is it switched on?"
            )
        if ending.wait(2e-4):
            break
