"""Reward terms are found by name, and no name stands for two of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.signals import Float
from sim.tasks.reward_terms import RewardTerms


@dataclass(frozen=True)
class Weights:
    speed: float = 2.0
    effort: float = 0.0


@dataclass(frozen=True)
class MisspeltWeights:
    sped: float = 2.0


def speed(now: Float) -> Float:
    return now


def terms() -> RewardTerms[Float]:
    reward: RewardTerms[Float] = RewardTerms()
    reward(speed)
    return reward


def test_terms_are_weighed_and_those_of_no_weight_left_out() -> None:
    found = terms().weighted(Weights(), np.ones(3), 0.5)
    assert list(found) == ["speed"]
    np.testing.assert_array_equal(found["speed"], np.ones(3))


def test_a_weight_without_a_term_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"MisspeltWeights\.sped .* did you mean 'speed'\?"):
        terms().weighted(MisspeltWeights(), np.ones(3), 0.5)


def test_another_module_cannot_replace_a_term() -> None:
    reward = terms()

    def other(now: Float) -> Float:
        return -now

    other.__name__, other.__module__ = "speed", "outside.rewards"
    with pytest.raises(UserError, match=r"'speed' of outside\.rewards .* another name"):
        reward(other)
    assert reward.functions["speed"] is speed


def test_a_module_that_is_loaded_again_replaces_its_own() -> None:
    reward = terms()

    def again(now: Float) -> Float:
        return -now

    again.__name__ = "speed"
    reward(again)
    assert reward.functions["speed"] is again
