"""The feed carries each tick as it was, and its reader knows what it has lost."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.learning.feed.exploration import CalmExploration, Exploration
from edge_runtime.learning.feed.feed import _FIRST, Feed, FeedReader
from edge_runtime.learning.feed.feed_layout import FeedLayout, State, tag_of
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.robot.shared_memory import segment_path
from tests.edge_runtime.leg import LegRobot

CAPACITY = 16


@pytest.fixture
def feed(loop: ControlLoop) -> Iterator[Feed]:
    layout = FeedLayout.of(loop, CAPACITY * 0.02)
    feed = Feed(f"test-{time.monotonic_ns()}", layout)
    loop.add_observer(feed)
    yield feed
    feed.close()
    assert not segment_path(feed.name).exists()


def ticked(loop: ControlLoop, count: int) -> None:
    for _ in range(count):
        loop.tick()


def test_a_tick_arrives_as_it_was(loop: ControlLoop, feed: Feed) -> None:
    reader = FeedReader(feed.name, feed.layout)
    loop.command.put(np.float32([0.5, 0.1, -0.2]))
    ticked(loop, 5)
    rows = reader.read(100)
    assert rows["number"].tolist() == [0, 1, 2, 3, 4]
    assert set(rows["policy"].tolist()) == {tag_of(loop.controller.policy.sha256)}
    assert (rows["state"] & State.DROVE).all()
    parts = feed.layout.split(rows["values"])
    tick = loop.last_tick
    np.testing.assert_array_equal(parts["observation"][-1], tick.observation)
    np.testing.assert_array_equal(parts["action"][-1], tick.action)
    assert tick.sent is not None
    np.testing.assert_array_equal(parts["target"][-1], tick.sent.target)
    np.testing.assert_array_equal(parts["command"][-1], np.float32([0.5, 0.1, -0.2]))
    np.testing.assert_array_equal(parts["sensed imu_gyro"][-1], tick.signals["imu_gyro"][0])
    np.testing.assert_array_equal(parts["estimated attitude"][-1], tick.estimates["attitude"][0])
    assert len(reader.read(100)) == 0
    reader.close()


def test_the_log_probability_of_what_was_explored(loop: ControlLoop) -> None:
    exploration = Exploration(np.full(3, 0.2, np.float32), 5.0, 0)
    calm = CalmExploration(loop, exploration, 0.35)
    feed = Feed(f"test-{time.monotonic_ns()}", FeedLayout.of(loop, 2.0), exploration)
    loop.add_observer(feed)
    loop.add_observer(calm)
    reader = FeedReader(feed.name, feed.layout)
    ticked(loop, 40)
    rows = reader.read(100)
    assert np.isnan(rows["log_prob"][:20]).all()
    assert rows["log_prob"][-1] == np.float32(exploration.log_prob)
    reader.close()
    feed.close()


def test_a_slow_reader_loses_the_oldest_and_knows_how_many(loop: ControlLoop, feed: Feed) -> None:
    reader = FeedReader(feed.name, feed.layout)
    ticked(loop, 50)
    numbers = reader.read(100)["number"].tolist()
    assert numbers == list(range(50 - len(numbers), 50))
    assert CAPACITY - 4 <= len(numbers) < CAPACITY
    assert reader.lost == 50 - len(numbers)
    ticked(loop, 3)
    assert reader.read(2)["number"].tolist() == [50, 51]
    assert reader.read(2)["number"].tolist() == [52]
    reader.close()


def test_a_tick_that_is_overwritten_while_it_is_read_is_lost(loop: ControlLoop, feed: Feed) -> None:
    reader = FeedReader(feed.name, feed.layout)
    ticked(loop, 5)
    feed._memory[_FIRST + 3 * feed.layout.dtype.itemsize + 100] ^= 0xFF  # as half a write would
    assert reader.read(100)["number"].tolist() == [0, 1, 3, 4]
    assert reader.lost == 1
    reader.close()


def test_a_successor_goes_on_where_the_work_was_done(loop: ControlLoop, feed: Feed) -> None:
    reader = FeedReader(feed.name, feed.layout)
    ticked(loop, 4)
    reader.read(100)
    reader.done()
    assert feed.taken == 4
    ticked(loop, 3)
    reader.read(2)  # and then it is killed
    reader.close()
    successor = FeedReader(feed.name, feed.layout)
    assert successor.read(100)["number"].tolist() == [4, 5, 6]
    successor.close()


def test_ticks_are_seen_when_they_are_released(loop: ControlLoop) -> None:
    feed = Feed(f"test-{time.monotonic_ns()}", FeedLayout.of(loop, 2.0), at_once=False)
    loop.add_observer(feed)
    reader = FeedReader(feed.name, feed.layout)
    ticked(loop, 5)
    assert len(reader.read(100)) == 0
    feed.release()
    assert len(reader.read(100)) == 5
    reader.close()
    feed.close()


def test_what_did_not_drive_is_said(loop: ControlLoop, robot: LegRobot, feed: Feed) -> None:
    reader = FeedReader(feed.name, feed.layout)
    ticked(loop, 2)
    robot.lean(1.5)
    for _ in range(20):
        ticked(loop, 10)
    state = reader.read(100)["state"][-1]
    assert state & State.FELL and not state & State.DROVE
    reader.close()


def test_nobody_feeds_or_another_layout(loop: ControlLoop, feed: Feed) -> None:
    with pytest.raises(UserError, match="nobody feeds a learner as 'none-such'"):
        FeedReader("none-such", feed.layout)
    with pytest.raises(UserError, match="is no feed of this layout"):
        FeedReader(feed.name, FeedLayout.of(loop, 1.0))


def test_a_tick_is_fed_in_microseconds(loop: ControlLoop, feed: Feed) -> None:
    loop.remove_observer(feed)
    loop.tick()
    took = []
    for _ in range(3000):
        began = time.perf_counter_ns()
        feed.observe(loop.last_tick)
        took.append(time.perf_counter_ns() - began)
    median = sorted(took)[len(took) // 2] * 1e-3  # µs
    assert median < 30  # 10 are promised where nothing else runs
