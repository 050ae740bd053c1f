"""Exploration is bounded, says how likely it was, and rests where the robot is not calm."""

import math

import numpy as np
import pytest

from edge_runtime.learning.feed.exploration import CalmExploration, Exploration
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from tests.edge_runtime.leg import LegRobot, ManualClock, make_contract, make_model

STD = np.float32([0.1, 0.4, 0.2])


def explored(exploration: Exploration, mean: np.ndarray) -> np.ndarray:
    action = mean[None].copy()
    exploration(action)
    return action[0]


def exploring(seed: int = 0, clip: float = 5.0) -> Exploration:
    exploration = Exploration(STD, clip, seed)
    exploration.share = 1.0
    return exploration


def test_actions_scatter_about_the_policys_within_two_deviations() -> None:
    exploration, mean = exploring(), np.float32([1.0, -2.0, 0.0])
    actions, log_probs = [], []
    for _ in range(4000):
        actions.append(explored(exploration, mean))
        log_probs.append(exploration.log_prob)
    z = (np.array(actions) - mean) / STD
    assert np.abs(z).max() < 2.0001
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(z.std(axis=0), 0.8796, rtol=0.03)  # of a Gaussian cut at 2
    expected = (-0.5 * z**2 - np.log(STD * np.sqrt(2 * np.pi))).sum(axis=1)
    np.testing.assert_allclose(log_probs, expected, atol=1e-4)


def test_the_log_probability_is_that_of_the_clipped_action() -> None:
    exploration, mean = exploring(clip=1.0), np.float32([0.95, 0.0, 0.0])
    for _ in range(200):
        action = explored(exploration, mean)
        assert action.max() <= 1.0
        z = (action - mean) / STD
        expected = (-0.5 * z**2 - np.log(STD * np.sqrt(2 * np.pi))).sum()
        assert exploration.log_prob == pytest.approx(expected, abs=1e-4)


def test_the_same_seed_gives_the_same_noise() -> None:
    mean = np.zeros(3, np.float32)
    first, second, other = exploring(1), exploring(1), exploring(2)
    for _ in range(100):
        action = explored(first, mean)
        np.testing.assert_array_equal(action, explored(second, mean))
        assert not np.array_equal(action, explored(other, mean))


@pytest.fixture
def calm(loop: ControlLoop) -> CalmExploration:
    calm = CalmExploration(loop, Exploration(STD, 5.0, 0), 0.35)
    loop.add_observer(calm)
    return calm


def ticked(loop: ControlLoop, count: int) -> list[float]:
    """The log-probability of each action; NaN where not all of the noise was added."""
    exploration = loop.controller.explore
    assert isinstance(exploration, Exploration)
    found = []
    for _ in range(count):
        loop.tick()
        found.append(exploration.log_prob)
    return found


def test_the_noise_fades_in_and_the_policy_observes_what_was_sent(
    loop: ControlLoop, robot: LegRobot, calm: CalmExploration
) -> None:
    log_probs = ticked(loop, 60)
    assert all(map(math.isnan, log_probs[:25]))  # 0.5 s
    assert all(map(math.isfinite, log_probs[30:]))
    contract = loop.controller.contract
    sent = robot.commands[-1].target
    last = loop.controller.last_action[0]
    scale = np.array([a.action_scale for a in contract.actuators])
    default = np.array([a.default for a in contract.actuators])
    np.testing.assert_allclose(sent, default + scale * last, atol=1e-6)
    without = Policy(make_model(make_contract()))(loop.controller.policy.observation)[0]
    assert 0.01 < np.abs(last - without).max() <= 2 * STD.max()


def test_it_rests_while_tilted_while_the_guard_reacts_and_after_a_swap(
    loop: ControlLoop, robot: LegRobot, clock: ManualClock, calm: CalmExploration
) -> None:
    assert math.isfinite(ticked(loop, 60)[-1])
    loop.swap(Policy(make_model(make_contract(), 1)))
    after = ticked(loop, 40)
    assert all(map(math.isnan, after[1:20])) and math.isfinite(after[-1])
    robot.lean(0.6)
    assert math.isnan(ticked(loop, 400)[-1])
    robot.lean(0.0)
    assert math.isfinite(ticked(loop, 500)[-1])
    robot.dead = True
    clock.now += 60_000_000
    ticked(loop, 1)
    assert loop.reaction
    robot.dead = False
    assert math.isnan(ticked(loop, 2)[-1])


def test_it_rests_when_it_is_paused(loop: ControlLoop, calm: CalmExploration) -> None:
    ticked(loop, 60)
    calm.paused = True
    assert math.isnan(ticked(loop, 2)[-1])
