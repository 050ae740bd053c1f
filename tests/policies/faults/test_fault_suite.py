"""Fault trials: the declared reactions of the runtime, met by the committed policies at speed."""

import dataclasses
import math
from pathlib import Path

import pytest

from edge_runtime.policy.contract import Command
from edge_runtime.safety.rules import Fault, Reaction, default_rules
from policies.evaluation.policy_file import PolicyFile
from policies.faults.catalog import (
    Declared,
    End,
    FaultConfig,
    faults_of,
    find_rule,
    seconds_to_react,
)
from policies.faults.fault_suite import FaultSuite, by_fault, run_faults
from policies.faults.fault_trial import FaultTrialConfig, Judged, _asked
from policies.faults.injections import Absent, Frozen, Late, Noisy, Silent
from sim.tasks.description import describe
from sim.tasks.driving.config import VehicleTrack

POLICIES = Path(__file__).parents[3] / "assets" / "policies"
SHORT = FaultTrialConfig(run_up=0.8, watch=1.5)


def suite_of(name: str, config: FaultTrialConfig = SHORT) -> FaultSuite:
    return FaultSuite(PolicyFile.find(POLICIES / f"{name}.onnx"), seed=3, config=config)


@pytest.fixture(scope="module")
def humanoid() -> FaultSuite:
    return suite_of("HumanoidVelocity")


@pytest.fixture(scope="module")
def car() -> FaultSuite:
    return suite_of("VehicleTrack")


def named(suite: FaultSuite, name: str) -> FaultConfig:
    return next(fault for fault in suite.faults if fault.name == name)


HUMANOID = {
    "IMU frozen": Reaction.STOP,
    "IMU NaN": Reaction.STOP,
    "encoders frozen": Reaction.STOP,
    "foot force NaN": Reaction.STOP,
    "encoders away 3 samples": Reaction.HOLD,
    "foot force frozen": Reaction.NONE,
    "silent for 2 samples": Reaction.NONE,
    "silent for good": Reaction.STOP,
    "old stamp": Reaction.STOP,
    "accelerometer in g": Reaction.DAMP,
    "gyroscope in deg/s": Reaction.DAMP,
    "3 deadlines missed in one go": Reaction.NONE,
    "1 of 2 deadlines missed": Reaction.STOP,
    "read() hangs for 1 s": Reaction.DAMP,
    "left knee dead": Reaction.DAMP,
    "action NaN": Reaction.STOP,
    "operator's command NaN": Reaction.STOP,
    "fuse over its budget": Reaction.STOP,
    "tipped over": Reaction.DAMP,
}
CAR = {
    "wheels frozen": Reaction.STOP,
    "lidar frozen": Reaction.STOP,
    "lidar NaN": Reaction.STOP,
    "IMU 10× noise": Reaction.NONE,
    "silent for 4 samples": Reaction.HOLD,
    "12 deadlines missed in one go": Reaction.STOP,
    "drive dead": Reaction.NONE,
    "action 20 × its clip": Reaction.STOP,
    "tipped over": Reaction.DAMP,
}


def check(suite: FaultSuite, name: str, severest: Reaction) -> None:
    outcome = suite.meet(named(suite, name))
    due = [j for j in outcome.judged if j.due]
    assert all(j.in_time for j in due), [(j.took, j.within) for j in due]
    assert max((j.declared.reaction for j in due), default=Reaction.NONE) <= severest
    fired = max((reaction for _, reaction, _ in outcome.fired), default=Reaction.NONE)
    # A blind walker falls in its stop, and is then damped.
    assert fired is severest or (outcome.end is not End.STOPPED and fired is Reaction.DAMP)
    assert outcome.success, outcome.end


@pytest.mark.parametrize("name", HUMANOID)
def test_a_walking_humanoid_gets_the_declared_reaction_in_time(
    humanoid: FaultSuite, name: str
) -> None:
    check(humanoid, name, HUMANOID[name])


@pytest.mark.parametrize("name", CAR)
def test_a_racing_car_gets_the_declared_reaction_in_time(car: FaultSuite, name: str) -> None:
    check(car, name, CAR[name])


def test_a_sound_policy_brings_the_humanoid_to_a_stand(humanoid: FaultSuite) -> None:
    """A pose alone does not balance: in a stop without the policy it falls."""
    for repeat in range(2):
        outcome = humanoid.meet(named(humanoid, "operator's command NaN"), repeat)
        assert outcome.end is End.STOPPED


def test_a_reaction_that_does_not_come_is_reported(humanoid: FaultSuite) -> None:
    """Noise is not a frozen sensor."""
    frozen = Declared(Fault.FROZEN, Reaction.STOP)
    fault = FaultConfig("feet", Noisy(("foot_force",)), (frozen,), frozenset(End))
    outcome = humanoid.meet(fault)
    assert outcome.end is End.GOES_ON
    assert not outcome.success and outcome.judged[0].took is None
    (summary,) = by_fault([outcome])
    assert (summary.due, summary.in_time, summary.slowest) == (1, 0, math.inf)
    assert "no stop (frozen)" in summary.reactions


def test_a_stop_for_which_nothing_is_declared_is_reported(humanoid: FaultSuite) -> None:
    outcome = humanoid.meet(FaultConfig("IMU", Frozen(("imu_gyro", "imu_accel", "imu_burst"))))
    assert outcome.unasked and not outcome.success


def test_a_reaction_that_comes_late_is_not_in_time() -> None:
    declared = Declared(Fault.STALE, Reaction.STOP)
    assert Judged(declared, within=0.2, due=True, took=0.2).in_time
    assert not Judged(declared, within=0.2, due=True, took=0.22).in_time


def test_noise_is_as_much_as_is_said(humanoid: FaultSuite) -> None:
    """So much that the robot falls, where ten times is ridden out."""
    ten, hundred = (
        humanoid.meet(FaultConfig("IMU", Noisy(("imu_gyro", "imu_accel", "imu_burst"), times)))
        for times in (10.0, 1000.0)
    )
    assert ten.end is End.GOES_ON
    assert hundred.end is not End.GOES_ON


@pytest.mark.parametrize("name", ["HumanoidVelocity", "VehicleTrack"])
def test_every_declared_reaction_has_a_rule_and_a_time(name: str) -> None:
    suite = suite_of(name)
    contract = PolicyFile.find(POLICIES / f"{name}.onnx").contract
    rules = default_rules(contract)
    declared = {(fault.name, d) for fault in suite.faults for d in fault.declared}
    assert {d.fault for _, d in declared} == set(Fault) - (
        {Fault.OBSERVATION_NOT_FINITE} if not contract.commands else set()
    )
    for fault in suite.faults:
        for each in fault.declared:
            rule = rules[find_rule(each, rules)]
            seconds = seconds_to_react(rule, fault.injection, contract.control_period)
            assert 0 < seconds < 1.5


def test_a_robot_says_which_of_its_actuators_fail_and_whether_it_may_go_down() -> None:
    suite = suite_of("VehicleTrack")
    dead = {f.name: f.ends for f in suite.faults if f.name.endswith(" dead")}
    assert set(dead) == {"steering dead", "drive dead"}
    assert End.FELL in dead["steering dead"] and End.FELL not in dead["drive dead"]
    contract = PolicyFile.find(POLICIES / "VehicleTrack.onnx").contract
    robot = describe(VehicleTrack(), 1)
    none = faults_of(robot, contract, (), {})
    assert {f.name for f in suite.faults} - {f.name for f in none} == {
        f"{actuator} {how}" for actuator in ("steering", "drive") for how in ("at 50 %", "dead")
    }


def test_declared_times_follow_the_rules(humanoid: FaultSuite) -> None:
    rules = default_rules(PolicyFile.find(POLICIES / "HumanoidVelocity.onnx").contract)
    rule = rules[find_rule(Declared(Fault.FROZEN, Reaction.STOP), rules)]
    twice = dataclasses.replace(rule, limit=2 * rule.limit)
    period = 0.02
    assert seconds_to_react(rule, Absent(()), period) == pytest.approx(6 * period)
    assert seconds_to_react(twice, Absent(()), period) == pytest.approx(11 * period)
    silent = rules[find_rule(Declared(Fault.STALE, Reaction.STOP), rules)]
    assert seconds_to_react(silent, Silent(), period) == pytest.approx(0.22)
    rate = rules[find_rule(Declared(Fault.MISS_RATE, Reaction.STOP), rules)]
    often = seconds_to_react(rate, Late(1, every=1), period)
    assert seconds_to_react(rate, Late(2, every=1), period) < often < 1.0


def test_a_trial_is_replayed_by_its_seed_and_number() -> None:
    """Alone, whatever ran before it."""
    first, second = suite_of("VehicleTrack"), suite_of("VehicleTrack")
    number = len(first.faults) + first.faults.index(named(first, "lidar frozen"))
    first.run(0)
    once, again = first.run(number), second.run(number)
    assert once == again
    assert once.speed != first.meet(named(first, "lidar frozen"), repeat=0).speed


def test_an_interrupted_suite_keeps_what_is_finished() -> None:
    def interrupt(done: int, planned: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    policy = PolicyFile.find(POLICIES / "VehicleTrack.onnx")
    result = run_faults(policy, config=SHORT, progress=interrupt)
    assert (result.suite, result.task, len(result.trials)) == ("faults", "VehicleTrack", 3)
    assert result.planned > 90 and f"3 of {result.planned}" in result.note
    frozen, nan, away = result.trials
    assert frozen.why.startswith("IMU frozen: stop (frozen) after 240 ms")
    assert nan.metrics["reaction_s"] == pytest.approx(0.24)
    assert away.success and away.metrics["reactions_in_time"] == 1.0
    assert result.summary()["of_declared_time"] <= 1.0 + 1e-6
    (alone,) = run_faults(policy, numbers=[1], config=SHORT).trials
    assert alone == nan


def test_a_robot_is_asked_for_no_more_than_its_policy_was_trained_for(
    humanoid: FaultSuite,
) -> None:
    contract = humanoid._policy.contract
    assert _asked((0.6,), contract).tolist() == pytest.approx([0.6, 0.0, 0.0])
    ranges = {"creep": (0.0, 0.2), "lift": (0.1, 0.3), "x": (-1, 1), "y": (-1, 1), "z": (-1, 1)}
    commands = [Command(name, "m/s", low, high) for name, (low, high) in ranges.items()]
    other = dataclasses.replace(contract, commands=tuple(commands))
    assert _asked((0.6,), other).tolist() == pytest.approx([0.2, 0.1, 0.0, 0.0, 0.0])
