"""Loops for numba compute what numpy does, and a conditioned covariance is the textbook's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.fusion.wheeled import kernels
from edge_runtime.fusion.wheeled.equations import (
    as_if_known,
    as_known,
    correct,
    everything,
    innovation,
)
from edge_runtime.fusion.wheeled.state import D
from edge_runtime.signals import Float

seeds = st.integers(0, 2**32 - 1)


def covariance(rng: np.random.Generator) -> Float:
    root = rng.standard_normal((D.size, D.size)) * rng.uniform(0.01, 1.0, D.size)
    return root @ root.T


def conditioned(cov: Float, by: Float) -> Float:
    """P - P U (U^T P U)^-1 U^T P, of the combinations in the rows of `by`."""
    across = cov @ by.T
    return cov - across @ np.linalg.solve(by @ across, across.T)


@given(seeds)
def test_the_loops_compute_what_numpy_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cov, h = covariance(rng), rng.standard_normal(D.size) * (rng.random(D.size) < 0.5)
    u, m, known = rng.standard_normal(D.size), rng.standard_normal((2, 3)), as_known(cov)
    found = []
    for kind in ("", "_numpy"):
        out, changed, subtracted = np.empty(D.size), cov.copy(), known.copy()
        getattr(kernels, f"_combine{kind}")(h, cov, out)
        for place in (3, 20):
            getattr(kernels, f"_shrink{kind}")(subtracted, 0.1 * (u + place), 2.0)
        times, row = np.empty(D.size), np.empty(D.size)
        getattr(kernels, f"_known_times{kind}")(subtracted, h, times)
        getattr(kernels, f"_known_row{kind}")(subtracted, 7, row)
        getattr(kernels, f"_downdate{kind}")(changed, u, h)
        getattr(kernels, f"_drive{kind}")(changed, D.angle, m, D.gyro_bias)
        getattr(kernels, f"_mirror{kind}")(changed)
        found.append((out, times, row, changed))
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@given(seeds)
def test_gains_are_those_of_a_car_whose_calibration_is_known(seed: int) -> None:
    """Schmidt's filter: what it does not learn has no gain, the rest that of the smaller filter."""
    rng = np.random.default_rng(seed)
    cov, up = covariance(rng), rng.standard_normal(3)
    up /= np.linalg.norm(up)
    by = np.zeros((7, D.size))
    by[0, D.gyro_bias : D.accel_bias] = up
    by[np.arange(1, 7), [15, 16, 17, 18, D.delay, D.angle + 2]] = 1.0
    known, expected = as_if_known(cov, up), conditioned(cov, by)
    dx, want, k = np.zeros(D.size), np.zeros(D.size), np.empty(D.size)
    after = cov.copy()
    for noise in (0.3, 0.1, 0.2):
        h = rng.standard_normal(D.size)
        new, own = innovation(after, h, dx, 1.0, k)
        assert own == pytest.approx(h @ after @ h, rel=1e-9)
        gain = expected @ h / (h @ expected @ h + noise)
        joseph = np.eye(D.size) - np.outer(gain, h)
        before = after.copy()
        correct(after, known, dx, h, k, new, own, noise)
        want += gain * (1.0 - h @ want)
        np.testing.assert_allclose(dx, want, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(
            after, joseph @ before @ joseph.T + noise * np.outer(gain, gain), rtol=1e-6, atol=1e-7
        )
        expected = expected - np.outer(gain, expected @ h)
    np.testing.assert_allclose(by @ dx, 0.0, atol=1e-7)


@given(seeds)
def test_what_may_correct_everything_is_kalmans(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cov, h, dx, k = covariance(rng), rng.standard_normal(D.size), np.zeros(D.size), np.empty(D.size)
    gain = cov @ h / (h @ cov @ h + 0.2)
    expected = cov - np.outer(gain, cov @ h)
    new, own = innovation(cov, h, dx, 2.0, k)
    correct(cov, everything(), dx, h, k, new, own, 0.2)
    np.testing.assert_allclose(dx, 2.0 * gain, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(cov, expected, rtol=1e-7, atol=1e-8)
