import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.fusion.measurement import GnssFix, Imu, Measurement
from edge_runtime.fusion.timeline import (
    EVENT_HEADER,
    TOO_LATE,
    TWICE,
    Timeline,
    moment,
    place,
    slot,
)
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from tests.edge_runtime.fusion.drive import CAR, drive, feed, numbers

EVENT, STATE = np.dtype(EVENT_HEADER), np.dtype([("number", "f8")])


def event(stamp: float, kind: float = 0.0) -> np.void:
    return np.array([(stamp, kind, 0.0)], EVENT)[0]


def started(capacity: int = 8, horizon: float = 100.0) -> Timeline:
    line = Timeline(capacity, moment(EVENT, STATE), 1, horizon)
    line.start(0.0, 0.0, np.zeros(1, STATE)[0], np.eye(1))
    return line


def place_in(line: Timeline, stamp: float, kind: float = 0.0) -> int:
    return place(line.moments["event"], line.span, event(stamp, kind))


def stamps(line: Timeline) -> list[float]:
    capacity, stamp = len(line.moments), line.moments["event"]["stamp"]
    return [float(stamp[slot(line.span, capacity, i)]) for i in range(int(line.span[1]))]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 2)), max_size=40))
def test_events_are_kept_in_order_and_the_newest_of_them(
    given_events: list[tuple[int, int]],
) -> None:
    line = started()
    kept: list[tuple[int, int]] = [(0, 0)]
    for stamp, kind in given_events:
        index = place_in(line, float(stamp), float(kind))
        if (stamp, kind) in kept:
            assert index == TWICE
            continue
        after = sorted([*kept, (stamp, kind)])[-8:]
        position = after.index((stamp, kind)) if (stamp, kind) in after else -1
        if position <= 0:
            assert index == TOO_LATE  # there is no state before it
            continue
        kept = after
        assert index == position
        assert stamps(line) == [float(s) for s, _ in kept]
    assert line.stamp == kept[-1][0]


def test_beyond_the_horizon_is_too_late() -> None:
    line = started(horizon=0.5)
    for k in range(1, 5):
        assert place_in(line, float(k)) == k
    assert place_in(line, 3.4) == TOO_LATE
    assert place_in(line, 3.6) == 4


@pytest.fixture(scope="module")
def measurements() -> list[Measurement]:
    return drive(12.0).measurements


@pytest.fixture(scope="module")
def in_order(measurements: list[Measurement]) -> WheeledFilter:
    car = WheeledFilter(CAR)
    feed(car, measurements)
    return car


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_out_of_order_gives_what_in_order_gives(
    seed: int, measurements: list[Measurement], in_order: WheeledFilter
) -> None:
    rng = np.random.default_rng(seed)
    arrivals = []
    for m in measurements:
        late = 0.0 if isinstance(m, Imu) else rng.uniform(0.0, 0.4)
        arrivals.append((m.stamp + late * (m.stamp < 11.5), len(arrivals), m))
    car = WheeledFilter(CAR)
    feed(car, [m for _, _, m in sorted(arrivals, key=lambda a: a[:2])])
    np.testing.assert_allclose(numbers(car), numbers(in_order), rtol=0, atol=1e-9)
    np.testing.assert_allclose(car.covariance, in_order.covariance, rtol=0, atol=1e-9)


def test_what_comes_after_the_horizon_is_refused(measurements: list[Measurement]) -> None:
    car, without = WheeledFilter(CAR), WheeledFilter(CAR)
    late = [m for m in measurements if isinstance(m, GnssFix) and m.stamp > 6.0]
    rest = [m for m in measurements if not (isinstance(m, GnssFix) and m.stamp > 6.0)]
    feed(without, rest)
    feed(car, rest)
    assert not any(feed(car, [m for m in late if m.stamp < 11.4]))
    assert np.array_equal(numbers(car), numbers(without), equal_nan=True)
    assert all(feed(car, [m for m in late if m.stamp > 11.6]))
