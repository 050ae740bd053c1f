import numpy as np
import pytest
from numpy.random import SeedSequence

from policies.gauntlet.random_per_row import RowGenerator


def seeded(rows: int) -> RowGenerator:
    rng = RowGenerator(rows)
    for row in range(rows):
        rng.seed(row, SeedSequence(7, spawn_key=(row,)))
    return rng


def draws(rng: RowGenerator) -> list[np.ndarray]:
    rows = len(rng.rows)
    return [
        rng.uniform(-1, 1, (rows, 3)),
        rng.uniform([0.0, 10.0], [1.0, 20.0], (rows, 2)),
        rng.uniform(size=rows),
        rng.normal(0.0, 2.0, (rows, 2)),
        rng.standard_normal((rows, 4), dtype=np.float32),
        rng.integers(3, 9, rows),
        rng.permutation(100),
    ]


def test_a_row_draws_the_same_alone_and_among_others() -> None:
    many, alone = seeded(5), seeded(5)
    alone.rows = [3]
    for among, own in zip(draws(many), draws(alone)):
        assert own.dtype == among.dtype
        np.testing.assert_array_equal(own[0], among[3])


def test_rows_draw_different_numbers_within_their_bounds() -> None:
    first, second, third, fourth, noise, whole, chosen = draws(seeded(50))
    assert len(np.unique(first)) == first.size and np.abs(first).max() <= 1
    assert second[:, 0].max() < 1 and second[:, 1].min() >= 10
    assert third.shape == (50,) and 1.0 < fourth.std() < 3.0
    assert noise.dtype == np.float32 and 0.8 < noise.std() < 1.2
    assert set(whole) == {3, 4, 5, 6, 7, 8} and chosen.max() < 100


def test_a_draw_without_chance_takes_nothing_from_anybody() -> None:
    with_it, without = seeded(2), seeded(2)
    assert (with_it.normal(1.5, 0.0, (1, 3)) == 1.5).all()
    np.testing.assert_array_equal(with_it.uniform(size=2), without.uniform(size=2))


def test_a_draw_that_is_not_for_these_rows_is_refused() -> None:
    rng = seeded(4)
    rng.rows = [0, 2]
    assert rng.uniform(size=(0, 3)).shape == (0, 3)
    assert np.arange(5.0)[rng.integers(5, size=0)].shape == (0,)  # an index still
    with pytest.raises(ValueError, match="2 simulations"):
        rng.uniform(size=(4, 3))
