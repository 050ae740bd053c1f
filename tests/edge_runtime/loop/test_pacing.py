"""ros2_control's overrun rule."""

import time

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.loop.pacing import next_release, sleep_until

times = st.integers(0, 10**18)
periods = st.integers(1, 10**9)


@given(times, st.integers(0, 10**11), periods)
def test_stays_on_the_grid_and_skips_what_has_begun(release: int, took: int, period: int) -> None:
    now = release + took
    following, missed = next_release(release, now, period)
    assert following == release + (missed + 1) * period
    assert following >= now
    assert missed == 0 or following - period < now


@given(times, periods, st.lists(st.integers(0, 5 * 10**9), max_size=50))
def test_every_period_is_run_or_counted(start: int, period: int, durations: list[int]) -> None:
    release, ticks, missed = start, 0, 0
    for took in durations:
        release, skipped = next_release(release, release + took, period)
        ticks, missed = ticks + 1, missed + skipped
    assert release == start + (ticks + missed) * period


def test_a_tick_that_ends_just_in_time_misses_nothing() -> None:
    assert next_release(100, 110, 10) == (110, 0)
    assert next_release(100, 111, 10) == (120, 1)
    assert next_release(100, 120, 10) == (120, 1)
    assert next_release(100, 121, 10) == (130, 2)


def test_sleeps_until_and_not_at_all_when_late() -> None:
    release = time.monotonic_ns() + 3_000_000
    sleep_until(release)
    assert time.monotonic_ns() >= release
    before = time.monotonic_ns()
    sleep_until(before - 10**9)
    assert time.monotonic_ns() - before < 10**8
