import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policies.report.figures import Share, nice_ticks, separation, spread_of


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [  # by the formula with z = 1.959964, in published tables to four digits
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe, Statistics in Medicine 17 (1998), table I
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_wilsons(hits: int, count: int, low: float, high: float) -> None:
    assert Share(hits, count).interval == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_an_interval_holds_its_share_within_0_and_1(a: int, b: int) -> None:
    share = Share(min(a, b), max(a, b))
    low, high = share.interval
    assert 0.0 <= low <= high <= 1.0
    if share.count:
        assert low <= share.value <= high
    else:
        assert math.isnan(share.value)


def test_a_spread_is_of_what_is_known() -> None:
    known = np.arange(101.0)
    spread = spread_of([math.nan, *known, math.inf])
    assert (spread.count, spread.low, spread.median, spread.high) == (101, 5.0, 50.0, 95.0)
    assert math.isnan(spread_of([math.nan]).median)


def test_separation_is_the_rank_biserial_correlation() -> None:
    success = [False, False, True, True]
    assert separation([3, 4, 1, 2], success) == 1.0
    assert separation([1, 2, 3, 4], success) == -1.0
    assert separation([1, 1, 1, 1], success) == 0.0
    assert separation([1, 4, 2, 3], success) == 0.0
    assert math.isnan(separation([1, 2, 3, 4], [True] * 4))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 10))
@example(879610.0, 1e-6, 7)
def test_ticks_are_within_the_range_and_few(low: float, width: float, most: int) -> None:
    ticks = nice_ticks(low, low + width, most)
    assert len(ticks) <= most + 1
    slack = 1e-6 * width + 1e-14 * abs(low)  # what doubles can tell apart so far from zero
    assert all(low - slack <= t <= low + width + slack for t in ticks)
