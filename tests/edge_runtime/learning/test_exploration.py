"""Exploration is Gaussian, says how likely it was, and rests where the robot tilts."""

import math

import numpy as np

from edge_runtime.learning.exploration import Exploration

STD = np.float32([0.1, 0.4])
UPRIGHT = np.float32([1, 0, 0, 0])


def tilted(angle: float) -> np.ndarray:
    return np.float32([math.cos(angle / 2), math.sin(angle / 2), 0, 0])


def test_actions_scatter_about_the_policys() -> None:
    exploration, mean = Exploration(STD, 0.35), np.float32([1.0, -2.0])
    drawn = [exploration.sample(mean, UPRIGHT) for _ in range(4000)]
    actions = np.array([action for action, _ in drawn])
    np.testing.assert_allclose(actions.mean(axis=0), mean, atol=0.02)
    np.testing.assert_allclose(actions.std(axis=0), STD, rtol=0.05)
    z = (actions - mean) / STD
    expected = (-0.5 * z**2 - np.log(STD * np.sqrt(2 * np.pi))).sum(axis=1)
    np.testing.assert_allclose([log_prob for _, log_prob in drawn], expected, atol=1e-4)


def test_a_tilted_robot_does_not_explore() -> None:
    exploration, mean = Exploration(STD, 0.35), np.float32([1.0, -2.0])
    for attitude in (tilted(0.36), tilted(-0.5), np.float32([np.nan] * 4)):
        action, log_prob = exploration.sample(mean, attitude)
        np.testing.assert_array_equal(action, mean)
        assert math.isnan(log_prob)
    assert not math.isnan(exploration.sample(mean, tilted(0.34))[1])


def test_it_goes_on_with_the_same_noise() -> None:
    first, second, mean = Exploration(STD, 0.35), Exploration(STD, 0.35, 8), np.zeros(2, np.float32)
    first.sample(mean, UPRIGHT)
    second.restore(first.state())
    np.testing.assert_array_equal(first.sample(mean, UPRIGHT)[0], second.sample(mean, UPRIGHT)[0])
