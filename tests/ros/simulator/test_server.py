"""The stamps of a simulated robot that is held up now and then."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from sim2edge_ros.simulator.server import RobotClock

PERIOD, STEP = 20_000_000, 5_000_000  # ns


@given(st.integers(0, 10**18), st.lists(st.integers(0, 7), max_size=60))
def test_stamps_stay_on_their_grid_and_with_the_time(start: int, held_up: list[int]) -> None:
    """`held_up`: physics steps that were skipped in each period."""
    clock, now, stamps = RobotClock(PERIOD), start, []
    for sequence, steps in enumerate(held_up):
        now += PERIOD + steps * STEP if sequence else 0
        stamps.append(clock.stamp(sequence, now))
        assert 0 <= now - stamps[-1] < PERIOD
    gaps = np.diff(stamps)
    assert (gaps > 0).all()
    assert (gaps % PERIOD == 0).all()
