"""Each fault, injected into a loop over a robot, has the reaction that is declared for it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.fusion import Fusion
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.fusion.no_fusion import NoFusion
from edge_runtime.loop.control_loop import ControlLoop, LoopConfig
from edge_runtime.policy.inference import Policy
from edge_runtime.report.run_report import reason
from edge_runtime.robot.robot import Mode, RobotDescription, Sample
from edge_runtime.safety.guard import Guard
from edge_runtime.safety.rules import MEASURES, Fault, Reaction, Rule, default_rules
from edge_runtime.signals import Signal
from tests.edge_runtime.leg import (
    BURST,
    JOINTS,
    SENSORS,
    LegRobot,
    ManualClock,
    make_contract,
    make_model,
)

PERIOD = 20_000_000  # ns


class Bench:
    """A loop over the small robot that is ticked by hand, a period each."""

    def __init__(
        self,
        rules: tuple[Rule, ...] | None = None,
        robot: LegRobot | None = None,
        fusion: Fusion | None = None,
    ) -> None:
        self.robot, self.clock = robot or LegRobot(), ManualClock()
        self.loop = ControlLoop(
            Policy(make_model(make_contract())),
            self.robot,
            fusion or AttitudeFusion(0.02, BURST),
            LoopConfig(rules=rules),
            self.clock,
        )

    def tick(self, times: int = 1, missed: int = 0) -> Reaction:
        for _ in range(times):
            self.clock.now += PERIOD * (1 + missed)
            reaction = self.loop.tick(missed)
        return reaction

    def fault(self) -> Fault:
        """The fault that was found first."""
        guard = self.loop.guard
        found = [
            (first, rule.fault)
            for rule, first in zip(guard.rules, guard.first_tripped)
            if first is not None
        ]
        return min(found)[1]

    @property
    def target(self) -> np.ndarray:
        return self.robot.commands[-1].target

    @property
    def mode(self) -> Mode:
        return self.robot.commands[-1].mode


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    assert bench.tick(10) is Reaction.NONE
    assert bench.mode is Mode.RUN
    return bench


def assert_comes_to_rest(bench: Bench) -> None:
    """A controlled stop: small steps to the default pose, then limp, and it stays so."""
    before = bench.target.copy()
    for _ in range(50):
        assert bench.mode is Mode.RUN
        assert bench.tick() is Reaction.STOP
        assert np.abs(bench.target - before).max() < 0.05
        before = bench.target.copy()
        if bench.loop.safe.at_rest:
            break
    bench.tick(5)
    np.testing.assert_allclose(bench.target, [0.0, 0.1, 0.2], atol=1e-6)
    assert bench.mode is Mode.DAMP
    assert (bench.robot.commands[-1].stiffness == 0).all()
    assert (bench.robot.commands[-1].damping > 0).all()
    assert bench.loop.safe.at_rest


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


def test_a_frozen_imu_stops(bench: Bench) -> None:
    """The samples go on, their numbers and encoders too; the IMU repeats itself."""
    bench.robot.live_imu = False
    for _ in range(6):
        bench.robot.values["joint_pos"] += 0.001
        reaction = bench.tick()
    assert (reaction, bench.fault()) == (Reaction.STOP, Fault.FROZEN)


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


def test_a_latched_reaction_outlives_its_fault_until_reset(bench: Bench) -> None:
    bench.tick(missed=11)
    assert bench.tick(20) is Reaction.STOP
    bench.loop.reset()
    assert bench.tick() is Reaction.NONE
    assert bench.mode is Mode.RUN


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


def test_after_a_reset_old_misses_do_not_count(bench: Bench) -> None:
    bench.tick(60, missed=1)
    assert bench.loop.guard.latched is Reaction.STOP
    bench.loop.reset()
    assert bench.tick(5) is Reaction.NONE


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


@given(st.lists(RULES, max_size=8), st.lists(st.lists(st.floats(0, 20), min_size=10, max_size=10)))
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


class UprightRobot(LegRobot):
    """A robot that knows its attitude."""

    def __init__(self) -> None:
        super().__init__()
        attitude = Signal("attitude", 4, "1", "world")
        self.description = RobotDescription("leg", JOINTS, (*SENSORS, attitude))
        self._sample = np.zeros(self.description.sample_size, np.float32)
        self.values = self.description.split(self._sample)
        self.values["attitude"][:] = [[1, 0, 0, 0]]


def test_one_bad_attitude_of_the_robots_own_only_holds() -> None:
    bench = Bench(robot=UprightRobot(), fusion=NoFusion())
    assert bench.tick(5) is Reaction.NONE
    bench.robot.values["attitude"][0, 1] = np.nan
    assert bench.tick() is Reaction.HOLD
    assert bench.mode is Mode.RUN
    bench.robot.values["attitude"][0, 1] = 0
    assert bench.tick() is Reaction.NONE
    bench.robot.values["attitude"][:] = [[0.7, 0.7, 0, 0]]
    assert bench.tick() is Reaction.DAMP


class BlinkingRobot(LegRobot):
    """A robot with a lidar, which is declared live."""

    def __init__(self) -> None:
        super().__init__()
        lidar = Signal("lidar", 2, "m", "lidar")
        live = ("imu_gyro", "imu_accel", "lidar")
        self.description = RobotDescription("leg", JOINTS, (*SENSORS, lidar), live)
        self._sample = np.zeros(self.description.sample_size, np.float32)
        self.values = self.description.split(self._sample)
        self.frozen = False

    def read(self) -> Sample | None:
        if not self.frozen:
            self.values["lidar"][:] = self._rng.normal(3.0, 0.01, (1, 2))
        return super().read()


def test_a_frozen_lidar_stops() -> None:
    """Its IMU and everything else live on."""
    robot = BlinkingRobot()
    bench = Bench(robot=robot)
    assert bench.tick(10) is Reaction.NONE
    robot.frozen = True
    assert bench.tick(6) is Reaction.STOP
    assert bench.fault() is Fault.FROZEN


def test_an_old_reading_under_a_new_number_is_stale(bench: Bench) -> None:
    bench.robot.stamp = 0.02 * bench.robot.sequence
    assert bench.tick(3) is Reaction.HOLD
    assert bench.fault() is Fault.STALE
    assert bench.tick(9) is Reaction.STOP


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


class EncodedRobot(LegRobot):
    """A robot whose encoders repeat themselves at standstill only."""

    def __init__(self) -> None:
        super().__init__()
        live = ("joint_pos", "joint_vel")
        self.description = dataclasses.replace(self.description, live_moving=live)


@pytest.mark.parametrize("frozen", ["joint_pos", "joint_vel"])
def test_encoders_that_are_frozen_in_motion_stop(frozen: str) -> None:
    robot = EncodedRobot()
    bench = Bench(robot=robot)
    robot.values["joint_vel"][:] = [[0.0, 0.0, -2.0]]
    (alive,) = {"joint_pos", "joint_vel"} - {frozen}
    reactions = []
    for _ in range(7):  # the first is new to the loop
        robot.values[alive] -= 0.01
        reactions.append(bench.tick())
    assert reactions == [Reaction.NONE] * 6 + [Reaction.STOP]
    assert bench.fault() is Fault.FROZEN


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_encoders_at_standstill_may_repeat(noise: float) -> None:
    """Also where speeds are made from positions and hum a little."""
    robot = EncodedRobot()
    bench = Bench(robot=robot)
    for step in range(20):
        robot.values["joint_vel"][:] = noise * np.sin(step)
        assert bench.tick() is Reaction.NONE


def asked(bench: Bench) -> list[float]:
    values: list[float] = bench.loop.controller.command[0].tolist()
    return values


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


def test_a_nan_that_nobody_reads_leaves_the_policy_to_stop() -> None:
    """A sole's force sensor that breaks need not make a walker fall."""
    robot = LegRobot()
    robot.description = RobotDescription("leg", JOINTS, (*SENSORS, Signal("foot_force", 1, "N")))
    robot._sample = np.zeros(robot.description.sample_size, np.float32)
    robot.values = robot.description.split(robot._sample)
    bench = Bench(robot=robot)
    bench.tick(5)
    robot.values["foot_force"][:] = np.nan
    assert [bench.tick() for _ in range(6)] == [Reaction.HOLD] * 5 + [Reaction.STOP]
    targets = {bench.target.tobytes() for _ in range(50) if bench.tick()}
    assert len(targets) == 50 and asked(bench) == [0.0, 0.0, 0.0]
    robot.values["joint_vel"][:] = np.nan  # which it does read: now a ramp to the default pose
    before = bench.loop.controller.last_action.copy()
    bench.tick(60)
    assert (bench.loop.controller.last_action == before).all()
    np.testing.assert_allclose(bench.target, [0.0, 0.1, 0.2], atol=1e-6)
    assert bench.mode is Mode.DAMP


def test_a_stop_takes_as_long_where_ticks_are_missed(bench: Bench) -> None:
    bench.robot.values["joint_vel"][:] = np.nan
    bench.tick(6)
    assert bench.loop.guard.latched is Reaction.STOP
    bench.tick(24, missed=1)
    assert not bench.loop.safe.at_rest
    bench.tick(missed=1)  # 1 s with the tick in which it began
    assert bench.loop.safe.at_rest


class HangingRobot(LegRobot):
    """A robot whose `read` blocks once."""

    clock: ManualClock
    hang = 0  # ns

    def read(self) -> Sample | None:
        self.clock.now += self.hang
        self.hang = 0
        return super().read()


def test_a_sample_that_came_late_is_not_stale_when_it_comes() -> None:
    """`read` hung for 5 periods and gave a fresh sample; the next tick is at once, without one."""
    robot = HangingRobot()
    bench = Bench(robot=robot)
    robot.clock = bench.clock
    bench.tick(10)
    robot.hang = 5 * PERIOD
    assert bench.tick() is Reaction.NONE
    robot.dead = True
    bench.clock.now -= PERIOD  # the release of the periods missed has passed already
    assert bench.tick(missed=0) is Reaction.NONE
    robot.dead = False
    assert bench.tick() is Reaction.NONE
    assert bench.loop.guard.measures[Fault.STALE] == pytest.approx(0.0)


class UnitRobot(LegRobot):
    """A robot whose gyroscope and accelerometer read so many times too much."""

    def __init__(self, factors: tuple[float, float]) -> None:
        self.factors = factors
        super().__init__()

    def _hum(self) -> None:
        super()._hum()
        burst = self.values["imu_burst"].reshape(-1, 6)
        burst[:, :3] += 0.005  # its bias
        burst *= np.repeat(self.factors, 3)
        self.values["imu_gyro"][:], self.values["imu_accel"][:] = np.split(burst.mean(0), 2)


@pytest.mark.parametrize(
    ("factors", "says"), [((57.3, 1.0), "deg/s"), ((1.0, 1 / 9.81), "in g")], ids=["deg/s", "g"]
)
def test_an_imu_in_another_unit_makes_limp(factors: tuple[float, float], says: str) -> None:
    """The attitude alone would go on, and the policy with it."""

    robot = UnitRobot(factors)
    bench = Bench(robot=robot)
    reactions = [bench.tick() for _ in range(60)]
    assert reactions[-1] is Reaction.DAMP
    assert bench.loop.guard.latched is Reaction.DAMP
    assert reactions.index(Reaction.DAMP) <= 56  # 1 s of rest and 5 periods
    assert says in bench.loop.lost_because
    robot.factors = (1.0, 1.0)
    bench.loop.reset()
    assert bench.tick(60) is Reaction.NONE
    robot.factors = factors
    bench.loop.reset()
    bench.tick(60)
    assert bench.loop.fusion.reason == bench.loop.lost_because
