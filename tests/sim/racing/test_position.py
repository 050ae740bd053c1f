"""A car put somewhere on a track is found there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.racing.position import Locator
from sim.racing.tracks import make_tracks

TRACKS = make_tracks(4, 0)
POINT = np.zeros((1, 2))  # a car without extent


def locate(track: int, index: float, offset: float, turn: float, outline=POINT) -> Locator:
    """A locator of one car, beside the point `index` of a track."""
    i = int(index)
    center = TRACKS.center[track]
    heading = TRACKS.heading[track, i]
    place = center[i] + offset * np.array([-np.sin(heading), np.cos(heading)])
    locator = Locator(TRACKS, 1, outline)
    rows = np.zeros(1, np.int64)
    locator.place(rows, np.array([track]), np.array([(i + 4) % TRACKS.points]))
    locator.update(rows, np.array([[*place, heading + turn]]))
    return locator


@settings(max_examples=60)
@given(
    track=st.integers(0, 3),
    index=st.integers(0, TRACKS.points - 1),
    offset=st.floats(-1.9, 1.9),
    turn=st.floats(-3.0, 3.0),
)
def test_finds_the_place(track: int, index: int, offset: float, turn: float) -> None:
    position = locate(track, index, offset, turn).position
    length, points = TRACKS.length[track], TRACKS.points
    expected = index * length / points
    error = (position.along[0] - expected + length / 2) % length - length / 2
    assert abs(error) < 0.2
    assert position.offset[0] == pytest.approx(offset, abs=0.01)
    assert position.heading_error[0] == pytest.approx(turn, abs=0.06)
    room = TRACKS.width[track] / 2 - abs(offset)
    assert position.clearance[0] == pytest.approx(room, abs=0.02)
    assert position.curvature[0] == pytest.approx(TRACKS.curvature[track, index], abs=0.03)


def test_clearance_is_of_the_outermost_point_of_the_car() -> None:
    straight = int(np.argmin(np.abs(TRACKS.curvature[0])))
    outline = np.array([(0.0, 0.5), (0.0, -0.5), (1.5, 0.0)])
    room = TRACKS.width[0] / 2
    along = locate(0, straight, 1.0, 0.0, outline).position.clearance[0]
    assert along == pytest.approx(room - 1.5, abs=0.02)
    across = locate(0, straight, 1.0, np.pi / 2, outline).position.clearance[0]
    assert across == pytest.approx(room - 2.5, abs=0.02)
    assert across < 0 or room > 2.5


def test_follows_a_car_around_the_lap_without_a_jump() -> None:
    locator = Locator(TRACKS, 1, POINT)
    rows = np.zeros(1, np.int64)
    locator.place(rows, np.array([1]), np.array([0]))
    length, travelled, before = TRACKS.length[1], 0.0, 0.0
    for i in [*range(0, TRACKS.points, 3), 0, 3]:
        locator.update(rows, np.array([[*TRACKS.center[1, i], 0.0]]))
        step = locator.position.along[0] - before
        travelled += step - length * round(step / length)
        before = locator.position.along[0]
    assert travelled == pytest.approx(length * (1 + 3 / TRACKS.points), rel=1e-3)
