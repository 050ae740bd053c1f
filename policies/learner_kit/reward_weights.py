"""Fits the weights of a robot's own reward to the reward that it was trained by."""

import numpy as np

from edge_runtime.signals import Bool, Float

_PULL = 0.3  # towards the weights given, where the data says little
_ROUNDS = 500


def fit_weights(parts: Float, reward: Float, near: Float, costs: Bool) -> Float:
    """Returns weights (r,) with which the parts add up to the reward as nearly as they can.

    No cost gets a positive weight, and nothing else a negative one, so that what only goes along
    with a good reward is not rewarded itself. Where parts are alike in the data the weights stay
    near those given (a ridge regression under bounds, solved by coordinate descent).

    Args:
        parts: sums of each part, (M, r).
        reward: sums of the reward over the same steps, (M,).
        near: the weights that those of the training make likely, (r,).
        costs: which parts are costs, (r,).
    """
    sign = np.where(costs, -1.0, 1.0)
    signed = parts * sign
    gram, target = signed.T @ signed / len(parts), signed.T @ reward / len(parts)
    pull = _PULL * signed.var(axis=0) + 1e-9
    given = np.maximum(near * sign, 0.0)
    weights = given.copy()
    for _ in range(_ROUNDS):
        for k in range(len(weights)):
            slope = target[k] - gram[k] @ weights - pull[k] * (weights[k] - given[k])
            weights[k] = max(0.0, weights[k] + slope / (gram[k, k] + pull[k]))
    return weights * sign
