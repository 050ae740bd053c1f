"""Tracks are closed, smooth, evenly spaced, wide enough apart, and their own for each seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import UserError
from sim.racing.tracks import TrackConfig, make_tracks

CONFIG = TrackConfig(points=256)


def crossings(a: np.ndarray, b: np.ndarray) -> int:
    """How many segments of the closed polygons (P, 2) and (Q, 2) properly cross."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> np.ndarray:
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )

    p, q = a[:, None], np.roll(a, -1, axis=0)[:, None]
    r, s = b[None], np.roll(b, -1, axis=0)[None]
    split = (side(p, q, r) * side(p, q, s) < 0) & (side(r, s, p) * side(r, s, q) < 0)
    return int(split.sum())


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_seed_gives_drivable_tracks(seed: int) -> None:
    tracks = make_tracks(6, seed, CONFIG)
    assert tracks.center.shape == (6, 256, 2)
    for k in range(len(tracks)):
        center, width = tracks.center[k], tracks.width[k]
        step = np.linalg.norm(np.roll(center, -1, axis=0) - center, axis=1)
        assert step == pytest.approx(tracks.length[k] / 256, rel=1e-2)  # closed, evenly spaced
        assert CONFIG.length[0] <= tracks.length[k] <= CONFIG.length[1]
        assert np.abs(tracks.curvature[k]).max() <= 1 / CONFIG.tightest[0] * 1.001
        turned = np.angle(np.exp(1j * np.diff(tracks.heading[k], append=tracks.heading[k, 0])))
        assert abs(turned.sum()) == pytest.approx(2 * np.pi)
        assert turned.sum() * tracks.curvature[k].sum() > 0
        for first, second in (("center", "center"), ("left", "left"), ("right", "right")):
            assert not crossings(getattr(tracks, first)[k], getattr(tracks, second)[k])
        assert not crossings(tracks.left[k], tracks.right[k])
        for wall in (tracks.left[k], tracks.right[k]):
            apart = np.linalg.norm(wall - center, axis=1)
            assert apart == pytest.approx(width / 2)


def test_the_left_wall_is_on_the_left() -> None:
    tracks = make_tracks(4, 0, CONFIG)
    ahead = np.stack([np.cos(tracks.heading), np.sin(tracks.heading)], axis=-1)
    across = tracks.left - tracks.right
    assert (ahead[..., 0] * across[..., 1] - ahead[..., 1] * across[..., 0] > 0).all()


def test_a_seed_gives_the_same_tracks_and_another_others() -> None:
    first, again, other = (make_tracks.__wrapped__(5, s, CONFIG) for s in (3, 3, 4))
    assert np.array_equal(first.center, again.center)
    assert not np.isclose(first.length, other.length).any()


def test_tracks_run_both_ways() -> None:
    turns = make_tracks(60, 1, CONFIG).curvature.sum(axis=1) > 0
    assert 15 < turns.sum() < 45


def test_an_impossible_config_is_refused() -> None:
    with pytest.raises(UserError, match="hardly any track"):
        make_tracks(1, 0, TrackConfig(points=64, width=(80.0, 90.0)))
