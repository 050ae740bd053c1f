"""Latency histograms and the budget over them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from edge_runtime.loop.budget import Budget, BudgetConfig, Stage
from edge_runtime.loop.latency_histogram import LatencyHistogram, bin_edges, percentiles

durations = st.lists(st.integers(0, 10**11), min_size=1, max_size=200)


@given(st.integers(0, 2**36 - 1))
def test_a_duration_lies_in_its_bin(duration: int) -> None:
    histogram = LatencyHistogram()
    histogram.record(duration)
    (index,) = np.flatnonzero(histogram.counts)
    lower, upper = bin_edges(int(index))
    assert lower <= duration < upper
    assert upper - lower <= max(1, lower / 32)


@given(durations)
def test_percentiles_agree_with_sorting(values: list[int]) -> None:
    values = [min(v, 2**36 - 1) for v in values]
    histogram = LatencyHistogram()
    for value in values:
        histogram.record(value)
    exact = np.percentile(values, [50, 99, 99.9], method="inverted_cdf")
    for found, expected in zip(percentiles(histogram, [50, 99, 99.9]), exact):
        assert expected <= found <= expected * (1 + 1 / 32) + 1
    assert histogram.max == max(values)


def test_nothing_recorded_is_zero_and_beyond_the_range_is_kept() -> None:
    histogram = LatencyHistogram()
    assert percentiles(histogram, [50]) == [0]
    size = len(histogram.counts)
    histogram.record(10**15)
    assert (histogram.max, sum(histogram.counts), len(histogram.counts)) == (10**15, 1, size)


def test_each_stage_is_held_to_its_share() -> None:
    budget = Budget(BudgetConfig(sense=0.1, fuse=0.1, infer=0.3, guard=0.1, act=0.1), 1000)
    budget.record([0, 100, 150, 500, 600, 701])  # infer took 350 of 300, act 101 of 100
    assert budget.over_share == [0, 0, 1, 0, 1]
    assert budget.tick.max == 701
    assert [h.max for h in budget.stages] == [100, 50, 350, 100, 101]
    assert len(budget.stages) == len(Stage)


@pytest.mark.parametrize(
    ("share", "complaint"),
    [
        (0.0, "budget.infer is 0; it must be above 0 and at most 1"),
        (-0.1, "budget.infer is -0.1"),
        (0.9, "together at most 1"),
    ],
)
def test_refuses_an_impossible_budget(share: float, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        BudgetConfig(infer=share)
