"""The messages of a topic's first publisher are kept apart from those of a second one."""

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from sim2edge_ros.sensors.series import Series


def test_a_second_publisher_is_told_apart_from_its_first_message_on() -> None:
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
    assert not series.numbered
