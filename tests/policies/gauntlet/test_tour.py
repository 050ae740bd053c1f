import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.evaluation.measures import Shares
from policies.gauntlet.walking.protocol import WalkingGauntlet
from policies.gauntlet.walking.pushes import SegmentPushes, draw_pushes, side
from policies.gauntlet.walking.tour import Tours, draw_tour
from sim.tasks.velocity_commands import VelocityCommand

PERIOD = 0.02
COMMANDS = VelocityCommand().components
PROTOCOL = WalkingGauntlet()


def walk(seed: int, drift: np.ndarray, share: float) -> tuple[float, np.ndarray]:
    """A robot that does this share of what it is asked, and drifts; s it took, all commands."""
    rng = np.random.default_rng(seed)
    tours = Tours(PROTOCOL, COMMANDS, 1, PERIOD)
    position, heading = np.zeros((1, 2)), rng.uniform(-3, 3, 1)
    tours.start(0, draw_tour(PROTOCOL, rng), position[0], float(heading[0]))
    error, commands = np.zeros((1, 3)), []
    for step in range(round(75 / PERIOD)):
        command, _ = tours.follow(position, heading, error)
        commands.append(command[0])
        if tours.done[0]:
            return step * PERIOD, np.array(commands)
        motion = share * command + drift
        error = motion - command
        c, s = np.cos(heading[0]), np.sin(heading[0])
        position = position + PERIOD * (motion[:, :2] @ np.array([[c, s], [-s, c]]))
        heading = heading + PERIOD * motion[:, 2]
    return np.inf, np.array(commands)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_tour_is_feasible_at_the_trained_speeds(seed: int) -> None:
    seconds, commands = walk(seed, np.zeros(3), 1.0)
    assert seconds < PROTOCOL.tour_seconds
    ranges = np.array([(c.lower, c.upper) for c in COMMANDS])
    assert (commands >= ranges[:, 0]).all() and (commands <= ranges[:, 1]).all()


@pytest.mark.parametrize("drift", [(0.0, 0.15, 0.0), (0.0, 0.0, 0.25), (-0.15, 0.0, 0.0)])
def test_the_operator_counter_steers(drift: tuple[float, float, float]) -> None:
    for seed in range(5):
        assert walk(seed, np.array(drift), 0.9)[0] < PROTOCOL.tour_seconds * (1 + PROTOCOL.slack)


def test_a_push_lasts_as_asked_in_the_direction_of_the_robots_own_frame() -> None:
    pushes = SegmentPushes(PROTOCOL, 2, PERIOD)
    plan = draw_pushes(PROTOCOL, np.random.default_rng(3))
    pushes.start(0, plan, 70.0)
    pushes.start(1, plan, 70.0)
    heading, given_steps = np.array([0.0, np.pi / 2]), 0
    walked = np.array([1.0, 0.0])  # only the first gets so far
    for step in range(10):
        pushes.advance(walked, np.zeros(2, np.int64), heading, np.full(2, step * PERIOD))
        given_steps += bool(pushes.force[0].any())
        if step == 0:
            first = pushes.force[0].copy()
    assert given_steps == round(PROTOCOL.push_seconds / PERIOD)
    assert np.hypot(*first) == pytest.approx(2 * plan.force[0])  # twice the protocol's mass
    assert not pushes.force[1].any() and pushes.results(1, None) == ()
    pushes.advance(np.ones(2), np.zeros(2, np.int64), heading, np.ones(2))
    np.testing.assert_allclose(pushes.force[1], [-first[1], first[0]], atol=1e-9)


def test_a_fall_is_put_down_to_the_last_push_if_it_was_short_before() -> None:
    pushes = SegmentPushes(PROTOCOL, 1, PERIOD)
    pushes.start(0, draw_pushes(PROTOCOL, np.random.default_rng(0)), 35.0)
    for segment, time in ((0, 1.0), (1, 5.0)):
        pushes.advance(np.ones(1), np.array([segment]), np.zeros(1), np.array([time]))
    survived = {at: [p.survived for p in pushes.results(0, at)] for at in (None, 5.5, 7.5)}
    assert survived == {None: [True, True], 5.5: [True, False], 7.5: [True, True]}


def test_sides_are_where_a_force_comes_from() -> None:
    assert [side(angle) for angle in (np.pi, -np.pi, 0.0)] == ["the front", "the front", "the back"]
    assert side(-np.pi / 2) == "the left" and side(np.pi / 2) == "the right"
    assert side(np.pi * 0.75) == "the front right"


def test_shares_give_quantiles_of_each_row() -> None:
    shares = Shares(2)
    assert np.isnan(shares.quantile(0, 0.95))
    for k in range(100):
        shares.add(np.array([[k / 100, -k / 100], [0.1, 0.3]]))
    assert shares.quantile(0, 0.95) == pytest.approx(0.95, abs=0.015)
    assert shares.quantile(1, 0.5) == pytest.approx(0.1, abs=0.01)
    shares.add(np.full((2, 2), 7.0))
    assert shares.quantile(0, 1.0) == 1.0
    shares.clear(np.array([0]))
    assert np.isnan(shares.quantile(0, 0.5)) and not np.isnan(shares.quantile(1, 0.5))
