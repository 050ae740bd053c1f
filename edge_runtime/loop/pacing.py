"""Paces a periodic loop: absolute deadlines in monotonic nanoseconds."""

import time


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
