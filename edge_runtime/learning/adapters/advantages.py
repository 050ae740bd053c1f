"""Estimates how much better an action was than expected (GAE, Schulman et al., 2016)."""

import numpy as np
import numpy.typing as npt

from edge_runtime.experience.layout import Flag, Rows
from edge_runtime.signals import Bool, Float


def has_next(rows: Rows) -> Bool:
    """Returns after which rows the next one's observation is what the robot came to, (T,)."""
    follows = np.zeros(len(rows), bool)
    follows[:-1] = np.diff(rows["number"]) == 1
    return follows & (rows["flags"] & (Flag.END | Flag.CUT) == 0)


def advantages(
    rows: Rows, reward: Float, values: npt.NDArray[np.floating], gamma: float, decay: float
) -> tuple[Float, Bool]:
    """Returns each row's generalized advantage, (T,), and of which it is known, (T,).

    Nothing is known of a row whose successor is missing, unless the robot ended there.

    Args:
        rows: experience, in order.
        reward: each row's reward, (T,).
        values: returns to expect at each row, (T,).
        gamma: discount of a step.
        decay: λ, how far an advantage looks ahead.
    """
    follows, ended = has_next(rows), rows["flags"] & Flag.END != 0
    after = np.zeros(len(rows))
    after[:-1] = np.where(follows[:-1], values[1:], 0.0)
    known = follows | ended
    errors = np.where(known, reward + gamma * after - values, 0.0)
    found, last = np.zeros(len(rows)), 0.0
    for step in range(len(rows) - 1, -1, -1):
        last = errors[step] + gamma * decay * last * follows[step]
        found[step] = last
    return found, known
