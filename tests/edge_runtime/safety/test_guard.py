"""Each fault, injected into a loop over a robot, has the reaction that is declared for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.report.run_report import reason
from edge_runtime.robot.robot import Mode
from edge_runtime.safety.guard import Guard
from edge_runtime.safety.rules import MEASURES, Fault, Reaction, Rule, default_rules
from tests.edge_runtime.leg import (
    BURST,
    LegRobot,
    ManualClock,
    make_contract,
    make_model,
)
from tests.edge_runtime.safety.bench import Bench, assert_comes_to_rest


def test_a_robot_that_falls_silent_is_held_then_stopped(bench: Bench) -> None:
    bench.robot.dead = True
    assert bench.tick(2) is Reaction.NONE
    held = bench.target.copy()
    assert bench.tick() is Reaction.HOLD
    assert (bench.target == held).all()
    bench.tick(8)
    assert bench.fault() is Fault.STALE
    assert bench.loop.guard.latched is Reaction.STOP
    bench.robot.dead = False
    assert_comes_to_rest(bench)


def test_a_short_silence_only_holds(bench: Bench) -> None:
    bench.robot.dead = True
    bench.tick(3)
    bench.robot.dead = False
    assert bench.tick() is Reaction.NONE
    assert bench.loop.guard.latched is Reaction.NONE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["joint_pos", "imu_gyro", "imu_burst"])
def test_a_bad_value_never_reaches_the_motors(bench: Bench, name: str, value: float) -> None:
    held = bench.target.copy()
    bench.robot.live_imu = False
    good = bench.robot.values[name].copy()
    bench.robot.values[name][0, -1] = value
    assert bench.tick() is Reaction.HOLD
    assert (bench.target == held).all()
    bench.robot.values[name][:] = good
    bench.robot.live_imu = True
    assert bench.tick() is Reaction.NONE
    assert np.isfinite(bench.target).all()
    assert bench.fault() is Fault.SENSOR_NOT_FINITE


def test_lasting_bad_values_stop(bench: Bench) -> None:
    bench.robot.values["joint_vel"][:] = np.nan
    assert bench.tick(6) is Reaction.STOP
    assert_comes_to_rest(bench)


def test_a_bad_command_of_the_operator_stops(bench: Bench) -> None:
    bench.loop.command.put(np.array([np.nan, 0, 0], np.float32))
    assert bench.tick() is Reaction.STOP
    assert bench.fault() is Fault.OBSERVATION_NOT_FINITE


def test_an_operator_cannot_ask_for_more_than_was_trained(bench: Bench) -> None:
    bench.loop.command.put(np.array([9.0, -9.0, 0.1], np.float32))
    bench.tick()
    np.testing.assert_allclose(bench.loop.controller.command[0], [1.0, -0.3, 0.1], rtol=1e-6)


def test_an_action_that_is_not_finite_stops(bench: Bench) -> None:
    """Finite values so large that the network overflows."""
    held = bench.target.copy()
    bench.robot.values["joint_vel"][:] = [[3e38, -3e38, 3e38]]
    bench.robot.values["joint_pos"][:] = [[3e38, 3e38, -3e38]]
    rules = bench.loop.guard.rules
    assert bench.tick() is Reaction.STOP
    broken = {r.fault for r, n in zip(rules, bench.loop.guard.ticks_tripped) if n}
    assert broken & {Fault.ACTION_NOT_FINITE, Fault.ACTION_BEYOND_CLIP}
    assert np.abs(bench.target - held).max() < 0.05


def test_actions_are_clipped_counted_and_far_beyond_the_clip_stop() -> None:
    robot = LegRobot()
    for bias, reaction, clipped in ((6.0, Reaction.NONE, 1), (60.0, Reaction.STOP, 1)):
        policy = Policy(make_model(make_contract(action_clip=5.0), bias=bias))
        clock = ManualClock()
        loop = ControlLoop(policy, robot, AttitudeFusion(0.02, BURST), LoopConfig(), clock)
        assert loop.tick() is reaction
        assert loop.clipped == clipped
        assert (np.abs(robot.commands[-1].target) <= 1.0).all()


def test_falling_over_makes_limp(bench: Bench) -> None:
    bench.robot.lean(1.2)
    fast = np.tile(np.array([0, 3.0, 0, 0, 0, 0], np.float32), BURST)[None]
    for _ in range(25):
        bench.robot._hum()
        bench.robot.live_imu = False
        bench.robot.values["imu_burst"] += fast
        bench.robot.values["imu_gyro"] += fast[:, :3]
        reaction = bench.tick()
    assert (reaction, bench.fault()) == (Reaction.DAMP, Fault.TILT)
    assert bench.mode is Mode.DAMP
    assert (bench.robot.commands[-1].stiffness == 0).all()


def test_a_lost_estimator_makes_limp(bench: Bench) -> None:
    bench.robot.sequence += 1000
    assert bench.tick() is Reaction.HOLD
    assert bench.fault() is Fault.ESTIMATOR_LOST
    assert bench.tick() is Reaction.NONE
    for _ in range(6):
        bench.robot.sequence += 1000
        reaction = bench.tick()
    assert reaction is Reaction.DAMP


def test_one_long_overrun_stops(bench: Bench) -> None:
    assert bench.tick(missed=11) is Reaction.STOP
    assert bench.fault() is Fault.MISSED


def test_many_short_overruns_stop(bench: Bench) -> None:
    assert bench.tick(5, missed=1) is Reaction.NONE
    assert bench.tick(60, missed=1) is Reaction.STOP
    assert bench.fault() is Fault.MISS_RATE


def test_now_and_then_a_miss_is_borne(bench: Bench) -> None:
    for _ in range(30):
        bench.tick(missed=1)
        assert bench.tick(9) is Reaction.NONE


def test_the_reason_is_that_of_what_is_latched_now(bench: Bench) -> None:
    """Whatever else was broken before."""
    assert reason(bench.loop) == ""
    bench.robot.dead = True
    assert bench.tick(4) is Reaction.HOLD
    assert reason(bench.loop) == "seconds without a new sample > 0.05"
    bench.robot.dead = False
    assert bench.tick() is Reaction.NONE
    assert reason(bench.loop) == ""
    bench.tick(missed=11)
    assert reason(bench.loop) == "periods missed in one go > 10"
    bench.robot.dead = True
    bench.tick(30)
    assert reason(bench.loop) == "periods missed in one go > 10", "what latched stays"
    bench.robot.dead = False
    bench.loop.reset()
    bench.tick()
    assert reason(bench.loop) == ""


def test_the_policy_does_not_act_before_the_first_sample() -> None:
    bench = Bench()
    bench.robot.read = lambda: None  # type: ignore[method-assign]
    bench.tick(5)
    assert bench.robot.commands == []


def test_before_the_first_good_action_the_robot_stays_where_it_is() -> None:
    bench = Bench()
    bench.robot.values["joint_pos"][:] = [[0.3, -0.2, 0.7]]
    bench.loop.command.put(np.array([np.nan, 0, 0], np.float32))
    bench.tick()
    np.testing.assert_allclose(bench.target, [0.3, -0.2, 0.7], atol=0.02)


RULES = st.builds(
    Rule,
    st.sampled_from(Fault),
    st.floats(0, 10),
    st.sampled_from([r for r in Reaction if r]),
    st.booleans(),
)


MEASURED = st.lists(st.floats(0, 20), min_size=len(Fault), max_size=len(Fault))


@given(st.lists(RULES, max_size=8), st.lists(MEASURED))
def test_the_most_severe_reaction_wins_and_latches(
    rules: list[Rule], ticks: list[list[float]]
) -> None:
    guard = Guard(rules)
    latched = Reaction.NONE
    for tick, measures in enumerate(ticks):
        guard.measures[:] = measures
        broken = [r for r in rules if measures[r.fault] > r.limit]
        due = max([latched, *(r.reaction for r in broken)])
        assert guard.check(tick) is due
        latched = max([latched, *(r.reaction for r in broken if r.latch)])
    assert guard.latched is latched


def test_nan_exceeds_every_limit() -> None:
    guard = Guard([Rule(Fault.TILT, 1.0, Reaction.DAMP)])
    guard.measures[Fault.TILT] = float("nan")
    assert guard.check(0) is Reaction.DAMP


def test_every_fault_is_measured_and_has_a_rule() -> None:
    assert set(MEASURES) == set(Fault)
    assert {rule.fault for rule in default_rules(make_contract())} == set(Fault)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_is_sent_before_the_first_good_sample(value: float) -> None:
    bench = Bench()
    bench.robot.values["joint_pos"][:] = [[0.3, value, 3.0]]
    bench.tick(3)
    assert bench.robot.commands == []
    bench.robot.values["joint_pos"][:] = [[0.3, -0.2, 3.0]]
    bench.loop.command.put(np.array([np.nan, 0, 0], np.float32))  # so that the policy cannot drive
    bench.tick()
    # On the way from where the joints are, the ankle no farther than its limit of 1.
    np.testing.assert_allclose(bench.target, [0.3, -0.2, 1.0], atol=0.02)
