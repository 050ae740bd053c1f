"""How a stop brings the robot to rest, and how a reset starts again."""

import numpy as np
import pytest

from edge_runtime.robot.robot import Mode
from edge_runtime.safety.rules import Fault, Reaction
from tests.edge_runtime.safety.bench import Bench, asked, assert_comes_to_rest


def test_a_latched_reaction_outlives_its_fault_until_reset(bench: Bench) -> None:
    bench.tick(missed=11)
    assert bench.tick(20) is Reaction.STOP
    bench.loop.reset()
    assert bench.tick() is Reaction.NONE
    assert bench.mode is Mode.RUN


def test_after_a_reset_old_misses_do_not_count(bench: Bench) -> None:
    bench.tick(60, missed=1)
    assert bench.loop.guard.latched is Reaction.STOP
    bench.loop.reset()
    assert bench.tick(5) is Reaction.NONE


def test_a_reset_starts_anew_from_where_the_robot_is(bench: Bench) -> None:
    """After an outage in which it was laid down and its joints were moved."""
    bench.robot.dead = True
    assert bench.tick(40) is Reaction.STOP
    bench.loop.reset()
    assert bench.tick() is Reaction.STOP  # there is nothing to start from
    bench.robot.dead = False
    bench.robot.sequence += 40
    bench.robot.lean(0.5)
    bench.robot.values["joint_pos"][:] = [[0.3, -0.2, 0.7]]
    bench.loop.command.put(np.array([np.nan, 0, 0], np.float32))  # so that the policy cannot drive
    bench.tick()
    assert bench.loop.guard.measures[Fault.TILT] == pytest.approx(0.5, abs=0.01)
    assert not bench.loop.fusion.lost
    np.testing.assert_allclose(bench.target, [0.3, -0.2, 0.7], atol=0.02)
    # The term `joint_pos_rel` with a history of 2 remembers nothing else.
    history = bench.loop.controller.policy.observation[0, 6:12]
    np.testing.assert_array_equal(history[:3], history[3:])


def test_after_a_reset_a_robot_that_does_not_know_what_is_up_is_held(bench: Bench) -> None:
    bench.tick(missed=11)
    bench.loop.reset()
    bench.robot._accel *= 1.5
    assert bench.tick() is Reaction.HOLD
    bench.robot.lean(0.0)
    assert bench.tick() is Reaction.NONE


def test_after_late_ticks_the_policy_brings_the_robot_to_rest(bench: Bench) -> None:
    """It balances still, so it is asked for rest; from a stand the robot is made limp."""
    bench.loop.command.put(np.array([1.0, 0.2, 0.5], np.float32))
    bench.tick(5)
    assert bench.tick(missed=11) is Reaction.STOP
    before = bench.loop.controller.step.item()
    bench.tick()
    assert asked(bench) == [0.0, 0.0, 0.0]
    targets = {bench.target.tobytes() for _ in range(87) if bench.tick()}
    assert len(targets) == 87  # 2 s in all with the tick that took 12 periods: the policy drives
    assert bench.mode is Mode.RUN and not bench.loop.safe.at_rest
    assert bench.loop.controller.step.item() == before + 88
    bench.tick()
    assert bench.mode is Mode.DAMP and bench.loop.safe.at_rest
    bench.tick(5)
    assert bench.mode is Mode.DAMP and (bench.robot.commands[-1].stiffness == 0).all()


def test_a_nan_of_the_operator_is_a_command_to_stand(bench: Bench) -> None:
    bench.loop.command.put(np.array([np.nan, 0, 0], np.float32))
    assert bench.tick() is Reaction.STOP
    held = bench.target.copy()
    bench.tick(3)
    assert asked(bench) == [0.0, 0.0, 0.0]
    assert (bench.target != held).any() and np.isfinite(bench.target).all()
    assert bench.loop.safe._rested == 3


def test_a_policy_that_is_not_sound_does_not_bring_the_robot_to_rest(bench: Bench) -> None:
    """Late ticks alone would leave it so; a sensor that lied does not."""
    bench.robot.live_imu = False
    bench.tick(7)
    bench.robot.live_imu = True
    assert bench.loop.guard.latched is Reaction.STOP
    bench.loop.reset()
    bench.tick(missed=11)
    bench.robot.dead = True
    bench.tick(12)
    bench.robot.dead = False
    assert not bench.loop.guard.trusts_policy
    assert_comes_to_rest(bench)


def test_after_a_reset_the_policy_is_trusted_again(bench: Bench) -> None:
    bench.robot.values["joint_vel"][:] = np.nan
    bench.tick(6)
    bench.robot.values["joint_vel"][:] = 0
    bench.loop.reset()
    assert bench.tick() is Reaction.NONE
    assert bench.tick(missed=11) is Reaction.STOP
    assert bench.loop.guard.trusts_policy


def test_a_stop_takes_as_long_where_ticks_are_missed(bench: Bench) -> None:
    bench.robot.values["joint_vel"][:] = np.nan
    bench.tick(6)
    assert bench.loop.guard.latched is Reaction.STOP
    bench.tick(24, missed=1)
    assert not bench.loop.safe.at_rest
    bench.tick(missed=1)  # 1 s with the tick in which it began
    assert bench.loop.safe.at_rest


def test_a_stop_that_is_asked_for_is_made_by_the_policy(bench: Bench) -> None:
    """A walker that goes to a pose falls before the stop has ended."""
    bench.loop.command.put(np.array([0.5, 0, 0], np.float32))
    bench.tick(5)
    bench.loop.stop()
    for _ in range(50):
        assert bench.tick() is Reaction.STOP
        assert bench.mode is Mode.RUN
        assert bench.loop.last_tick.drove
        assert not bench.loop.last_tick.command.any()
    bench.tick(2)
    assert bench.mode is Mode.DAMP
    assert bench.loop.ended


def test_a_stop_that_is_asked_for_goes_on_without_the_policy_if_it_fails(bench: Bench) -> None:
    bench.loop.stop()
    bench.tick(10)
    bench.robot.values["joint_pos"][0, 0] = np.nan
    bench.tick(60)
    assert bench.mode is Mode.DAMP
    assert bench.loop.ended
