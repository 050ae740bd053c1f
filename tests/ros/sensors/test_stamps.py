"""Stamps that cannot be true are found; control periods are counted by the others."""

import math
import re
from collections.abc import Callable

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


def late_by(delay: Callable[[float], float], seconds: float) -> tuple[StampGate, np.ndarray]:
    """Gives messages that arrive later than their stamps by a function of these; returns how late
    those came that passed, s, and the gate."""
    gate, passed = StampGate(), []
    for stamp in np.arange(0.0, seconds, PERIOD).tolist():
        if gate.passes(100.0 + stamp, stamp + delay(stamp)):
            passed.append(delay(stamp))
    return gate, np.array(passed)


@pytest.mark.parametrize("growth", [0.005, 0.03, 0.1, 0.5])
def test_a_stream_that_falls_behind_is_refused_until_it_catches_up(growth: float) -> None:
    """However slowly: another clock does not differ by so much."""
    gate, passed = late_by(lambda stamp: growth * stamp, 4.0 / growth)
    assert 0.45 < passed.max() < 0.65
    said = re.fullmatch(r"it falls behind: its messages come (.+) s late", gate.complaint)
    assert said and float(said[1]) == pytest.approx(4.0, abs=0.15)
    last = 100.0 + 4.0 / growth
    assert gate.passes(last + 1.0, last - 100.0 + 1.1), "it has caught up"
    assert not gate.complaint and not gate.restarted


@pytest.mark.parametrize("delay", [0.6, 3.0, 9.0])
def test_a_queue_that_stays_long_is_refused_and_one_that_empties_is_not(delay: float) -> None:
    """Its stamps go on where they were before the messages had to wait."""
    gate, passed = late_by(lambda stamp: delay if stamp > 5.0 else 0.01, 30.0)
    assert passed.max() == 0.01 and gate.complaint.endswith(f"{delay - 0.01:.3g} s late")
    _, passed = late_by(lambda stamp: max(0.0, delay - (stamp - 5.0) if stamp > 5.0 else 0.0), 30.0)
    assert len(passed) == pytest.approx(30.0 / PERIOD - (delay - 0.5) / PERIOD, abs=3)


@settings(max_examples=50, deadline=None)
@given(
    waits=st.lists(st.tuples(st.floats(0.0, 5.0), st.integers(1, 100)), min_size=1, max_size=8),
    first=st.floats(0.0, 0.2),
)
def test_no_queue_lets_late_messages_pass(waits: list[tuple[float, int]], first: float) -> None:
    """Messages arrive in turn, each after any wait."""
    gate, arrived, stamp = StampGate(), first, 0.0
    gate.passes(0.0, first)
    for wait, count in waits:
        for _ in range(count):
            stamp += PERIOD
            arrived = max(arrived, stamp + wait)
            if gate.passes(stamp, arrived):
                assert arrived - stamp < 0.5 + first + 1e-3 * arrived + 1e-9


def test_a_message_out_of_turn_does_not_let_a_late_stream_pass() -> None:
    gate = StampGate()
    gate.passes(0.0, 0.0)
    for number in range(1, 500):
        swapped = number + {100: 5, 105: -5, 300: -9, 301: 9}.get(number, 0)
        stamp = 1000.0 if number == 200 else swapped * PERIOD
        assert not gate.passes(stamp, number * PERIOD + 0.7)


@pytest.mark.parametrize("drift", [-5e-4, 5e-4])
def test_a_clock_that_drifts_is_followed(drift: float) -> None:
    """As one that NTP slews, for an hour."""
    gate = StampGate()
    for now in np.arange(0.0, 3600.0, 0.1).tolist():
        assert gate.passes((1 + drift) * now, now)
    assert gate.offset == pytest.approx(drift * 3600.0, abs=0.01)


@pytest.mark.parametrize("by", [-3600.0, -3.0, -0.6, -0.3, 0.3, 0.6, 3.0, 3600.0])
def test_a_clock_that_was_set_is_followed_and_measured_by(by: float) -> None:
    gate, nows = StampGate(), [PERIOD * n for n in range(400)]
    assert all(feed(gate, nows, nows))
    nows = [8.0 + PERIOD * n for n in range(400)]
    passed = feed(gate, [now + by for now in nows], nows)
    assert sum(passed) >= len(nows) - 1.1 / PERIOD and all(passed[55:])
    assert gate.offset == pytest.approx(by, abs=0.01)
    assert gate.passes(16.0 + by, 16.45) and not gate.passes(16.02 + by, 16.6)
    assert gate.complaint.startswith("it falls behind")


def test_a_node_whose_clock_was_set_goes_on() -> None:
    """The messages look late then, but not by a clock that nobody sets."""
    gate = StampGate()
    times = [PERIOD * n for n in range(400)]
    passed = [gate.passes(t, t + (3.0 if t > 4.0 else 0.0), 50.0 + t) for t in times]
    assert 0.9 / PERIOD < passed.count(False) < 1.1 / PERIOD and passed[-1]


def test_a_sender_that_began_anew_with_a_clock_behind_is_followed() -> None:
    """Without a battery it goes on from when it was shut down."""
    gate = StampGate()
    times = [PERIOD * n for n in range(100)]
    feed(gate, times, times)
    nows = [30.0 + t for t in times]
    passed = feed(gate, [now - 20.0 for now in nows], nows)
    assert passed[-1] and passed.count(False) < 1.1 / PERIOD


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
