"""The racing line stays between the walls and bends less than the centre line."""

import numpy as np
import pytest

from edge_runtime.signals import Float
from sim.racing.line import racing_lines
from sim.racing.tracks import make_tracks

TRACKS = make_tracks(6, 0)
MARGIN = 1.0


def bending(line: Float) -> Float:
    """Summed squared second differences of closed lines, (K,)."""
    second = np.roll(line, 1, axis=1) - 2 * line + np.roll(line, -1, axis=1)
    return (second**2).sum(axis=(1, 2))


def test_bends_less_and_keeps_its_margin() -> None:
    lines = racing_lines(TRACKS, MARGIN)
    assert (bending(lines) < 0.9 * bending(TRACKS.center)).all()
    room = TRACKS.width[:, None] / 2 - np.linalg.norm(lines - TRACKS.center, axis=-1)
    assert room.min() >= MARGIN - 1e-9
    assert room.min() == pytest.approx(MARGIN, abs=1e-6)  # it uses what it may
    length = np.linalg.norm(np.roll(lines, -1, axis=1) - lines, axis=-1).sum(axis=1)
    assert (length < TRACKS.length).all()


def test_no_small_shift_bends_less() -> None:
    lines = racing_lines(TRACKS, MARGIN)
    across = np.stack([-np.sin(TRACKS.heading), np.cos(TRACKS.heading)], axis=-1)
    angle = np.linspace(0.0, 2 * np.pi, TRACKS.points, endpoint=False)
    free = np.linalg.norm(lines - TRACKS.center, axis=-1) < TRACKS.width[:, None] / 2 - MARGIN - 0.1
    for waves in (1, 2, 3, 5):
        for phase in (0.0, 1.5):
            shift = 0.1 * np.sin(waves * angle + phase) * free
            shift = np.convolve(np.tile(shift[0], 3), np.ones(9) / 9, "same")[512:1024]
            moved = lines[0] + shift[:, None] * across[0]
            assert bending(moved[None])[0] > 0.99 * bending(lines[:1])[0]
