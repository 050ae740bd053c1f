"""Stamps that cannot be true are found; control periods are counted by the others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from sim2edge_ros.sensors.inertial import ImuPeriods
from sim2edge_ros.sensors.stamps import PeriodClock, StampGate

PERIOD = 0.02


def feed(gate: StampGate, stamps: list[float], nows: list[float]) -> list[bool]:
    return [gate.passes(stamp, now) for stamp, now in zip(stamps, nows)]


def test_stamps_in_order_pass() -> None:
    gate = StampGate()
    assert all(feed(gate, [1.0, 1.02, 1.04], [1.001, 1.021, 1.041]))
    assert gate.complaint == ""


@pytest.mark.parametrize(
    ("stamp", "complaint"),
    [
        (1.02, "its stamps stand still"),
        (1.0, "its stamps go back"),
        (31.04, "its stamps jumped by +30 s"),
        (math.nan, "its stamps are not numbers"),
    ],
)
def test_a_stamp_that_cannot_be_true_is_refused(stamp: float, complaint: str) -> None:
    gate = StampGate()
    feed(gate, [1.0, 1.02], [1.0, 1.02])
    assert not gate.passes(stamp, 1.04)
    assert gate.complaint == complaint
    assert gate.passes(1.06, 1.06), "one bad stamp must not keep the good ones out"


def test_another_clock_is_taken_once_it_has_settled() -> None:
    gate = StampGate()
    feed(gate, [1.0, 1.02], [1.0, 1.02])
    now, since = 1.04, None
    while not gate.passes(now - 100.0, now):
        since = now if since is None else since
        now += PERIOD
        assert now < 5.0
    assert since is not None
    assert now - since == pytest.approx(1.0, abs=2 * PERIOD)


def test_stamps_that_stand_still_never_pass() -> None:
    gate = StampGate()
    nows = [PERIOD * n for n in range(200)]
    assert sum(feed(gate, [0.0] * 200, nows)) == 1


def readings(count: int, step: float, start: float = 0.0) -> list[tuple[float, np.ndarray]]:
    return [(start + n * step, np.full(6, float(n))) for n in range(1, count + 1)]


def test_an_imu_of_four_readings_a_period_is_put_together_in_order() -> None:
    clock = PeriodClock(PERIOD)
    clock.align(0.0)
    periods = ImuPeriods(clock, 4)
    done = [periods.add(stamp, value) for stamp, value in readings(8, PERIOD / 4)]
    complete = [d for d in done if d is not None]
    assert [done.index(d) for d in complete] == [3, 7]
    assert complete[1].sequence == complete[0].sequence + 1
    assert complete[1].burst.reshape(4, 6)[:, 0].tolist() == [5.0, 6.0, 7.0, 8.0]
    assert complete[1].stamp == pytest.approx(2 * PERIOD)
    np.testing.assert_allclose(complete[1].mean, 6.5)


def test_a_lost_reading_is_the_one_before_it() -> None:
    clock = PeriodClock(PERIOD)
    clock.align(0.0)
    periods = ImuPeriods(clock, 4)
    rows = readings(8, PERIOD / 4)
    del rows[5]
    complete = [d for d in (periods.add(*row) for row in rows) if d is not None]
    assert complete[1].burst.reshape(4, 6)[:, 0].tolist() == [5.0, 5.0, 7.0, 8.0]


def test_a_period_whose_last_reading_is_lost_comes_with_the_next() -> None:
    clock = PeriodClock(PERIOD)
    clock.align(0.0)
    periods = ImuPeriods(clock, 4)
    rows = readings(12, PERIOD / 4)
    del rows[7]
    complete = [d for d in (periods.add(*row) for row in rows) if d is not None]
    assert np.diff([d.sequence for d in complete]).tolist() == [1, 1]
    assert complete[1].burst.reshape(4, 6)[:, 0].tolist() == [5.0, 6.0, 7.0, 7.0]


@pytest.mark.parametrize("faster", [0.1, 0.5, 1.0, 2.5, 10.0])
def test_an_imu_at_any_rate_gives_each_period_at_most_once(faster: float) -> None:
    clock = PeriodClock(PERIOD)
    clock.align(0.0)
    periods = ImuPeriods(clock, 4)
    step = PERIOD / 4 / faster
    rng = np.random.default_rng(0)
    rows = [(s + rng.uniform(-0.1, 0.1) * step, v) for s, v in readings(2000, step)]
    complete = [d for d in (periods.add(*row) for row in rows) if d is not None]
    numbers = np.array([d.sequence for d in complete])
    assert (np.diff(numbers) >= 1).all()
    assert all(np.isfinite(d.burst).all() for d in complete)
    if faster >= 0.5:  # two readings a period
        assert (np.diff(numbers) == 1).all()
        lag = [d.sequence * PERIOD - d.stamp for d in complete[5:]]
        assert max(map(abs, lag)) <= 0.8 * step


def test_a_jump_of_the_clock_is_one_period() -> None:
    clock = PeriodClock(PERIOD)
    clock.align(0.0)
    rows = [
        (0.02, False),
        (0.04, False),
        (500.0, True),
        (500.02, False),
        (3.0, True),
        (3.02, False),
    ]
    numbers, times = [], []
    for stamp, restarted in rows:
        numbers.append(clock.number(stamp, restarted=restarted))
        times.append(clock.time)
    assert np.diff(numbers).tolist() == [1, 1, 1, 1, 1]
    np.testing.assert_allclose(np.diff(times), PERIOD)
    assert times[:2] == [0.02, 0.04], "the first stamps are its own"


def test_a_simulation_that_began_anew_is_taken_at_once() -> None:
    """The node's clock is its clock, and went back too."""
    gate = StampGate()
    feed(gate, [35.0, 35.02], [35.0, 35.02])
    assert gate.passes(0.0, 0.0)
    assert gate.restarted
    assert gate.passes(0.02, 0.02)
    assert not gate.restarted
    assert not gate.passes(0.02, 0.04), "but it has to go on"


@pytest.mark.parametrize("by", [0.3, 3.0, 3600.0, -0.3, -3.0, -3600.0])
@settings(max_examples=30, deadline=None)
@given(at=st.integers(8, 40), phase=st.floats(0.0, 1.0), joints_first=st.booleans())
def test_periods_go_on_over_any_jump(by: float, at: int, phase: float, joints_first: bool) -> None:
    """Periods are as before, whichever clock jumps first, anywhere in a period."""
    clock = PeriodClock(PERIOD)
    clock.align(0.0)
    periods = ImuPeriods(clock, 4)
    shift, complete, jumped = 0.0, [], False
    for n in range(1, 80):
        stamp = n * PERIOD / 4
        restarted = n == at
        if restarted:
            shift, jumped = by + phase * PERIOD, True
        if restarted and joints_first:
            clock.align(math.floor(n / 4) * PERIOD + shift, restarted=True)
        done = periods.add(stamp + shift, np.full(6, float(n)), restarted)
        if done is not None:
            complete.append(done)
        if jumped and n == at + 3 and not joints_first:
            clock.align(math.floor(n / 4) * PERIOD + shift, restarted=True)
    assert len(complete) >= 17
    assert (np.diff([d.sequence for d in complete]) >= 1).all()
    assert (np.diff([d.time for d in complete]) > 0).all()
    for done in complete[-4:]:
        assert np.diff(done.burst.reshape(4, 6)[:, 0]).tolist() == [1.0, 1.0, 1.0]
        assert done.burst[-1] % 4 == 0, "a period ends where the joints are read"
        assert done.stamp - done.time == pytest.approx(complete[-1].stamp - complete[-1].time)
