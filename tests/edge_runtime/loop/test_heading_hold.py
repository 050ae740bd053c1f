"""How the heading hold corrects a policy that turns otherwise than it is asked."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.heading_hold import HeadingHold, HeadingHoldConfig
from edge_runtime.policy.contract import Command
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array
from tests.edge_runtime.leg import BURST, LegRobot, make_contract, make_model

PERIOD = 0.02  # s
HELD = HeadingHoldConfig(gain=2.0)
CONTRACT = make_contract(
    commands=(
        Command("forward", "m/s", -0.4, 1.0),
        Command("lateral", "m/s", -0.3, 0.3),
        Command("yaw_rate", "rad/s", -0.6, 0.6),
    )
)


def attitude(heading: float) -> Array:
    return np.array([math.cos(heading / 2), 0, 0, math.sin(heading / 2)], np.float32)


def drive(
    hold: HeadingHold, asked: float, gain: float, bias: float, seconds: float, start: float = 0.0
) -> list[float]:
    """Returns the headings, rad, of a robot that turns with `gain` times the command plus a
    bias."""
    headings = [start]
    command = np.array([0.5, 0.0, asked], np.float32)
    for _ in range(round(seconds / PERIOD)):
        corrected = hold.correct(command, attitude(headings[-1]), 1)
        rate = gain * float(np.clip(corrected[2], -0.6, 0.6)) + bias
        headings.append(headings[-1] + rate * PERIOD)
    return headings


@given(
    asked=st.floats(-0.3, 0.3),
    gain=st.floats(0.7, 1.2),
    bias=st.floats(-0.1, 0.1),
    start=st.floats(-10, 10),
)
def test_the_heading_follows_whatever_the_policy_does(
    asked: float, gain: float, bias: float, start: float
) -> None:
    hold = HeadingHold(HELD, CONTRACT, PERIOD)
    headings = drive(hold, asked, gain, bias, 20.0, start)
    assert headings[-1] - start == pytest.approx(20.0 * asked, abs=0.02)
    steady = (headings[-1] - headings[-251]) / 5.0
    assert steady == pytest.approx(asked, abs=0.005)


def test_without_it_the_robot_walks_an_arc() -> None:
    alone = HeadingHold(HeadingHoldConfig(), CONTRACT, PERIOD)
    assert drive(alone, 0.0, 1.0, 0.05, 20.0)[-1] == pytest.approx(1.0, abs=0.01)


def test_a_standing_robot_is_left_alone_and_starts_anew() -> None:
    hold = HeadingHold(HELD, CONTRACT, PERIOD)
    walk, stand = np.array([0.5, 0, 0], np.float32), np.zeros(3, np.float32)
    hold.correct(walk, attitude(0.0), 1)
    assert hold.correct(walk, attitude(0.1), 1)[2] < -0.19
    assert hold.correct(stand, attitude(0.2), 1) is stand
    assert hold.correct(walk, attitude(0.4), 1)[2] == pytest.approx(0.0, abs=0.02)


def test_a_robot_that_was_carried_round_is_not_turned_back_all_the_way() -> None:
    hold = HeadingHold(HELD, CONTRACT, PERIOD)
    walk = np.array([0.5, 0, 0], np.float32)
    hold.correct(walk, attitude(0.0), 1)
    hold.correct(walk, attitude(2.5), 1)
    headings = drive(hold, 0.0, 1.0, 0.0, 20.0, start=2.5)
    assert headings[-1] == pytest.approx(2.0, abs=0.05)


def test_missed_periods_count() -> None:
    hold, whole = HeadingHold(HELD, CONTRACT, PERIOD), HeadingHold(HELD, CONTRACT, PERIOD)
    turn = np.array([0.0, 0, 0.3], np.float32)
    for each in (hold, whole):
        each.correct(turn, attitude(0.0), 1)
    for _ in range(10):
        one_by_one = hold.correct(turn, attitude(0.0), 1)
    assert whole.correct(turn, attitude(0.0), 10)[2] == pytest.approx(one_by_one[2], abs=0.01)


def test_a_policy_without_a_yaw_rate_gets_what_is_asked() -> None:
    contract = make_contract(commands=(Command("speed", "m/s", 0.0, 1.0),))
    hold, command = HeadingHold(HELD, contract, PERIOD), np.ones(1, np.float32)
    assert hold.correct(command, attitude(0.3), 1) is command


def test_an_attitude_that_is_not_finite_corrects_nothing() -> None:
    hold, walk = HeadingHold(HELD, CONTRACT, PERIOD), np.array([0.5, 0, 0], np.float32)
    hold.correct(walk, attitude(0.0), 1)
    assert hold.correct(walk, np.full(4, np.nan, np.float32), 1) is walk
    assert hold.correct(walk, attitude(0.1), 1)[2] == pytest.approx(-0.2, abs=0.01)


def test_the_loop_corrects_the_command_that_the_policy_sees() -> None:
    contract = make_contract(control_period=0.005, commands=CONTRACT.commands)
    config = LoopConfig(rules=(), heading=HELD)
    fusion = AttitudeFusion(0.005, BURST)
    loop = ControlLoop(Policy(make_model(contract)), LegRobot(), fusion, config, lambda: 0)
    asked = np.array([0.5, 0.0, 0.3], np.float32)
    loop.command.put(asked)
    for _ in range(40):  # it does not turn at all
        loop.tick()
    assert loop.last_tick.command[2] > 0.35
    assert loop.command.get() is asked
    assert asked[2] == np.float32(0.3)
