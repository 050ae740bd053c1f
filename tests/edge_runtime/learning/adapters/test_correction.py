"""Corrected rows teach what was done instead, and nothing else."""

import numpy as np
import pytest
import torch

from edge_runtime.errors import UserError
from edge_runtime.experience.layout import Flag, Rows
from edge_runtime.learning.adapters.correction import CorrectionConfig, CorrectionLearner
from tests.edge_runtime.learning.adapters.networks import STD, explored, small_actor

CONFIG = CorrectionConfig(minibatch=32, epochs=30, learning_rate=1e-2, largest_drift=1e9)


def corrected_rows(by: float = 0.6) -> Rows:
    """A human corrects where the first number observed is positive, and there alone."""
    rows = explored(small_actor(), 400, 0)
    taught = rows["observation"][:, 0] > 0.5
    rows["flags"][taught] = Flag.CORRECTED
    rows["action"][taught] = small_actor().actions(rows["observation"][taught]) + by
    return rows


def test_it_does_what_it_was_shown_and_elsewhere_what_it_did() -> None:
    rows, learner = corrected_rows(), CorrectionLearner(small_actor(rank=4), STD, CONFIG)
    stats = learner.update(rows)
    assert stats["error_after"] < stats["error"] / 2
    moved = learner.actor.actions(rows["observation"]) - small_actor().actions(rows["observation"])
    taught = rows["flags"] == Flag.CORRECTED
    assert moved[taught].mean() > 0.3
    assert np.abs(moved[rows["observation"][:, 0] < -0.5]).mean() < 0.15


def test_it_stops_where_it_drifts_from_the_start() -> None:
    config = CorrectionConfig(minibatch=32, epochs=60, leash=0.0, largest_drift=0.05)
    stats = CorrectionLearner(small_actor(), STD, config).update(corrected_rows())
    assert 0 < stats["passes"] < 60
    free = CorrectionConfig(minibatch=32, epochs=60, leash=0.0, largest_drift=1e9)
    assert CorrectionLearner(small_actor(), STD, free).update(corrected_rows())["passes"] == 60


def test_it_goes_on_bit_for_bit_after_a_checkpoint() -> None:
    rows = corrected_rows()
    config = CorrectionConfig(minibatch=64, epochs=2, largest_drift=1e9)
    whole, first, second = (CorrectionLearner(small_actor(), STD, config, s) for s in (0, 0, 9))
    whole.update(rows)
    whole.update(rows)
    first.update(rows)
    second.load_state_dict(first.state_dict())
    second.update(rows)
    pairs = zip(whole.actor.parameters(), second.actor.parameters())
    assert all(torch.equal(one, other) for one, other in pairs)


def test_rows_without_a_correction_are_refused() -> None:
    learner = CorrectionLearner(small_actor(), STD, CONFIG)
    with pytest.raises(UserError, match="none of the rows is flagged as corrected"):
        learner.update(explored(small_actor(), 10, 0))
