"""The messages of a topic's first publisher are kept apart from those of a second one."""

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from hypothesis import given
from hypothesis import strategies as st

from sim2edge_ros.sensors.series import Series


def test_a_second_publisher_is_known_from_its_first_message_on() -> None:
    series = Series()
    for number in range(1000, 1050):
        now = 0.02 * number
        assert series.has(number, now)
        assert not series.has(number - 999, now + 0.01)


def test_lost_messages_do_not_change_the_publisher() -> None:
    series = Series()
    assert series.has(7, 0.0)
    assert series.has(107, 0.4)
    assert not series.has(107, 0.41), "none comes twice"


@pytest.mark.parametrize("now", [1.0, -3.0])
def test_after_a_silence_or_in_a_new_time_another_may_take_over(now: float) -> None:
    series = Series()
    assert series.has(5000, 0.4)
    assert series.has(1, now)
    assert series.has(2, now + 0.02)
    assert not series.has(5001, now + 0.03)


def test_without_numbers_all_are_one() -> None:
    series = Series()
    assert all(series.has(None, 0.02 * k) for k in range(5))
    assert not series.tells_apart(0.1)


def judged(stranger: list[tuple[float, int]], seconds: float) -> list[tuple[bool, bool, bool]]:
    """Returns of each message whether the driver of 100 Hz sent it, it was believed, and the series
    tells the two publishers apart."""
    driver = [(k / 100, True, 1000 + k) for k in range(round(100 * seconds))]
    series, found = Series(), []
    for now, real, number in sorted([*driver, *((t, False, n) for t, n in stranger)]):
        believed = series.has(number, now)
        found.append((real, believed, series.tells_apart(now)))
    return found


@given(
    rate=st.floats(5.0, 400.0),
    ahead=st.integers(-1200, 1200),
    phase=st.floats(0.0005, 0.0095),
    lost=st.sets(st.integers(0, 400), max_size=100),
)
def test_however_a_stranger_counts_it_is_refused_or_looks_the_same(
    rate: float, ahead: int, phase: float, lost: set[int]
) -> None:
    first = max(1, 1100 + ahead)
    stranger = [
        (1.0 + phase + k / rate, first + k) for k in range(round(3.0 * rate)) if k not in lost
    ]
    apart, taken = True, 0
    for real, believed, tells in judged(stranger, 4.0):
        apart = apart and tells
        if apart and not real:
            taken += believed
        if apart and real and not taken:
            assert believed
    assert taken <= 1, "the message by which the two are found to be near"


def test_messages_lost_while_the_receiver_was_held_up_are_no_second_publisher() -> None:
    series = Series()
    number, now = 0, 0.0
    for lost in (0, 0, 0, 30, 0, 2, 45, 0):
        now += 0.01 * (1 + lost)
        number += 1 + lost
        assert series.has(number, now)
        assert series.tells_apart(now)


def test_a_gap_that_no_time_explains_is_believed_once_the_rest_is_silent() -> None:
    series = Series()
    for k in range(10):
        assert series.has(k, 0.01 * k)
    accepted = [series.has(30 + k, 0.09 + 0.01 * k) for k in range(1, 30)]
    assert not accepted[0]
    assert accepted.index(True) < 20
    assert all(accepted[20:])
