import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.train.normalizer import CLIP, EPSILON, RunningNormalizer


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    parts=st.lists(st.integers(1, 50), min_size=1, max_size=6),
    scale=st.floats(1e-2, 1e3),
    offset=st.floats(-1e3, 1e3),
)
def test_statistics_do_not_depend_on_how_the_rows_came_in(
    seed: int, parts: list[int], scale: float, offset: float
) -> None:
    rows = np.random.default_rng(seed).normal(offset, scale, (sum(parts), 3))
    normalizer = RunningNormalizer(3)
    for part in np.split(rows, np.cumsum(parts)[:-1]):
        normalizer.update(torch.from_numpy(part))
    np.testing.assert_allclose(normalizer.mean, rows.mean(axis=0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(normalizer.variance, rows.var(axis=0), rtol=1e-6, atol=1e-9)


def test_output_is_standardized_and_clipped() -> None:
    rows = torch.tensor([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
    normalizer = RunningNormalizer(2)
    normalizer.update(rows)
    expected = (rows[:, 0] - 2.0) / np.sqrt(8.0 / 3.0 + EPSILON)
    torch.testing.assert_close(normalizer(rows)[:, 0], expected)
    assert normalizer(rows)[:, 1].abs().max() == 0.0
    assert normalizer(torch.tensor([[1e6, -1e6]])).tolist() == [[CLIP, -CLIP]]


def test_only_update_changes_the_statistics() -> None:
    normalizer = RunningNormalizer(2)
    before = {name: value.clone() for name, value in normalizer.state_dict().items()}
    normalizer.train()
    normalizer(torch.randn(100, 2) + 7.0)
    for name, value in normalizer.state_dict().items():
        assert torch.equal(value, before[name])
