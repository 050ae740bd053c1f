"""A canary takes turns with the policy before it, and whatever goes wrong lets that one drive."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.session import Session
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand, Sample
from edge_runtime.safety.rules import Reaction
from edge_runtime.slots.canary import Canary, CanaryConfig
from edge_runtime.slots.policy_slots import PolicySlots
from edge_runtime.slots.probation import ProbationConfig
from edge_runtime.slots.verdict import Outcome
from tests.edge_runtime.leg import (
    BURST,
    LegRobot,
    ManualClock,
    PacedRobot,
    make_contract,
    make_model,
)
from tests.edge_runtime.slots.shadowing import (
    COMMAND,
    Swinging,
    make_session,
    spiteful,
    ticked,
    wait_for,
)
from tests.edge_runtime.slots.tipping import Tipping

PROBATION = ProbationConfig(seconds=0.8, window_seconds=0.2)
SHORT = CanaryConfig(0.2, slices=3, settle_seconds=0.04, probation=PROBATION)
SLICE, ALL = 10, 60  # ticks


def other(seed: int = 1, bias: float = 0.0) -> Policy:
    return Policy(make_model(make_contract(), seed, bias=bias), "new.onnx")


def begun(
    session: Session,
    new: Policy | None = None,
    score: Callable[[Tick], float] | None = None,
    config: CanaryConfig = SHORT,
) -> tuple[PolicySlots, Canary, list[str]]:
    """A canary that begins after a second of driving, and what it notes."""
    events: list[str] = []
    slots = PolicySlots(session, note=lambda event, _: events.append(event))
    ticked(session.loop, 50)
    return slots, slots.canary(new or other(), config, score), events


def drivers(loop: ControlLoop, ticks: int) -> list[Policy]:
    found = []
    for _ in range(ticks):
        loop.tick()
        found.append(loop.last_tick.policy)
    return found


def test_both_drive_in_turn_and_the_new_one_stays() -> None:
    session = make_session(Swinging())
    old = session.policy
    slots, canary, events = begun(session)
    with closing(slots):
        assert canary.wait(0.0) is None
        assert drivers(session.loop, ALL) == 3 * (SLICE * [old] + SLICE * [canary.new])
        verdict = canary.wait(0.0)
        assert verdict is not None
        assert (verdict.outcome, verdict.why) == (Outcome.GOOD, "no fault")
        assert verdict.old.ticks == verdict.new.ticks == 3 * (SLICE - 2)
        assert slots.driver is canary.new
        assert drivers(session.loop, 45) == 45 * [canary.new]
        assert canary.over
        assert events == ["canary begins", "canary ends", "promoted", "probation ends"]
        slots.roll_back()
        assert drivers(session.loop, 1) == [old]


def test_an_action_that_blows_up_is_never_sent() -> None:
    robot = Swinging()
    session = make_session(robot)
    old = session.policy
    slots, canary, events = begun(session, other(bias=1e4))
    with closing(slots):
        assert drivers(session.loop, ALL) == ALL * [old], "in the very tick, the old one drives"
        assert session.loop.guard.latched is Reaction.NONE
        assert canary.verdict is not None
        assert canary.verdict.outcome is Outcome.BAD
        assert "times the clip" in canary.why
        assert events == ["canary begins", "canary ends"]
    steady = make_session(alone := Swinging())
    ticked(steady.loop, 50 + ALL)
    for sent, expected in zip(robot.commands, alone.commands, strict=True):
        np.testing.assert_array_equal(sent.target, expected.target)


def test_an_action_that_is_not_finite_is_never_sent() -> None:
    session = make_session(robot := LegRobot())
    old = session.policy
    slots, canary, _ = begun(session, spiteful())
    with closing(slots):
        assert drivers(session.loop, ALL) == ALL * [old]
        assert canary.why == "an action that is not finite"
        assert session.loop.guard.latched is Reaction.NONE
        assert all(np.isfinite(command.target).all() for command in robot.commands)


def test_one_that_tips_the_robot_over_is_taken_back_in_time() -> None:
    """Without a canary it falls: the same policy, promoted untried, ends with the guard's damp."""
    for is_tried in (True, False):
        session = make_session(Tipping())
        old = session.policy
        config = replace(SHORT, slice_seconds=1.0)
        slots, canary, _ = begun(session, other(bias=4.0), config=config)
        with closing(slots):
            if not is_tried:
                slots.promote()
            ticked(session.loop, 200)
            if is_tried:
                assert "rad from upright" in canary.why
                assert session.loop.guard.latched is Reaction.NONE
                assert session.policy is old
            else:
                assert session.loop.guard.latched is Reaction.DAMP


def test_one_whose_network_is_slow_is_taken_back() -> None:
    session = make_session(LegRobot())
    clock = session.loop._clock
    assert isinstance(clock, ManualClock)

    slow = other()
    network = slow.run

    def run() -> None:
        network()
        clock.now += 50_000_000  # ns: two periods and a half

    slow.run = run
    slots, canary, _ = begun(session, slow)
    with closing(slots):
        missed, ticks = 0, 0
        while canary.verdict is None and ticks < ALL:
            before = clock.now
            session.loop.tick(missed)
            missed = (clock.now - before) // session.loop.period
            ticks += 1
        assert ticks == SLICE + 3, "two ticks of the new one cost 4 periods"
        assert "missed 4 periods, the policy before 0" in canary.why
        assert session.loop.guard.latched is Reaction.NONE


@pytest.mark.parametrize(("drop", "outcome"), [(0.5, Outcome.BAD), (0.01, Outcome.GOOD)])
def test_a_score_that_drops_far_ends_it(drop: float, outcome: Outcome) -> None:
    session = make_session(Swinging())
    new, noise = other(), np.random.default_rng(0)

    def score(tick: Tick) -> float:
        return 1.0 - drop * (tick.policy is new) + float(noise.normal(0.0, 0.05))

    slots, canary, events = begun(session, new, score)
    with closing(slots):
        ticked(session.loop, ALL)
        verdict = canary.verdict
        assert verdict is not None
        assert verdict.outcome is outcome
        assert 0.01 < verdict.smallest_drop < 0.5
        assert verdict.old.mean - verdict.new.mean == pytest.approx(drop, abs=0.05)
        assert "would not be seen" in verdict.described()
        assert ("promoted" in events) == (outcome is Outcome.GOOD)


def test_a_score_that_cannot_be_taken_ends_it() -> None:
    session = make_session(Swinging())
    slots, canary, _ = begun(session, score=lambda _: math.nan)
    with closing(slots):
        ticked(session.loop, ALL)
        assert canary.verdict is not None
        assert canary.verdict.outcome is Outcome.UNDECIDED
        assert "the score of tick" in canary.why
        assert slots.driver is canary.old


def test_a_sensor_that_fails_says_nothing_of_the_policy() -> None:
    robot = Swinging()
    session = make_session(robot)
    slots, canary, _ = begun(session)
    with closing(slots):
        ticked(session.loop, SLICE + 5)
        robot.values["imu_gyro"][:] = np.nan
        robot.live_imu = False
        ticked(session.loop, 1)
        assert canary.verdict is not None
        assert canary.verdict.outcome is Outcome.UNDECIDED
        assert session.loop.last_tick.policy is canary.new
        ticked(session.loop, 1)
        assert session.loop.last_tick.policy is canary.old


def promoted(session: Session, new: Policy, score: Callable[[Tick], float] | None) -> Canary:
    """A canary that passed, with a few ticks of its probation."""
    slots, canary, events = begun(session, new, score)
    ticked(session.loop, ALL + 5)
    assert slots.driver is new
    assert events[-1] == "promoted"
    return canary


def test_probation_rolls_back_for_periods_missed() -> None:
    session = make_session(Swinging())
    canary = promoted(session, other(), None)
    session.loop.tick(4)
    assert drivers(session.loop, 20) == 20 * [canary.old]
    assert canary.why == "it missed 4 periods"
    assert canary.described().endswith("rolled back on probation: it missed 4 periods")


def test_probation_rolls_back_for_a_score_that_drops() -> None:
    session, worth = make_session(Swinging()), [1.0]
    canary = promoted(session, other(), lambda _: worth[0])
    ticked(session.loop, 15)
    assert not canary.why
    worth[0] = 0.2
    ticked(session.loop, 20)
    assert session.policy is canary.old
    assert canary.why.startswith("its score is")


def test_probation_rolls_back_for_an_action_that_is_not_finite() -> None:
    robot = LegRobot()
    session = make_session(robot)
    session.loop.command.put(np.float32(-2) * np.array(COMMAND, np.float32))
    canary = promoted(session, spiteful(), None)
    session.loop.command.put(np.array(COMMAND, np.float32))
    assert drivers(session.loop, 5) == 5 * [canary.old]
    assert canary.why == "an action that is not finite"
    assert session.loop.guard.latched is Reaction.NONE


def test_probation_rolls_back_when_the_guard_reacts() -> None:
    robot = Tipping()
    session = make_session(robot)
    canary = promoted(session, other(), None)
    robot.is_pushed = True
    ticked(session.loop, 100)
    assert session.policy is canary.old
    assert canary.why.startswith("the guard reacted")


def test_a_stop_that_is_asked_for_lets_the_old_one_bring_the_robot_to_rest() -> None:
    session = make_session(LegRobot())
    slots, canary, _ = begun(session)
    with closing(slots):
        ticked(session.loop, SLICE + 2)
        session.loop.stop()
        ticked(session.loop, 2)
        assert canary.why == "the run ended"
        assert session.policy is canary.old


class Unplugged(PacedRobot):
    """A robot that is unplugged at some time; then it cannot be written to either if `is_gone`."""

    is_unplugged = False

    def __init__(self, is_gone: bool) -> None:
        super().__init__()
        self._is_gone = is_gone

    def read(self) -> Sample | None:
        if self.is_unplugged:
            raise OSError("unplugged")
        return super().read()

    def write(self, command: ActuatorCommand) -> None:
        if self.is_unplugged and self._is_gone:
            raise OSError("unplugged")


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_robot_that_is_unplugged_ends_it(is_gone: bool) -> None:
    """Another thread waits meanwhile, and the next start has the old policy."""
    contract = make_contract(control_period=0.005)
    old, new = (Policy(make_model(contract, seed)) for seed in (0, 1))
    robot = Unplugged(is_gone)
    session = Session(old, robot, AttitudeFusion(0.005, BURST), LoopConfig(rules=()))
    with closing(PolicySlots(session)) as slots, ThreadPoolExecutor(1) as waiting:
        session.start()
        wait_for(lambda: session.loop.ticks > 5)
        canary = slots.canary(new, CanaryConfig(0.05, slices=1000, settle_seconds=0, misses=1000))
        verdict = waiting.submit(canary.wait, 30.0)
        wait_for(lambda: session.policy is new)
        robot.is_unplugged = True
        with pytest.raises(OSError, match="unplugged"):
            session.loop.join(30.0)
        slots.settle()
        found = verdict.result(30.0)
        assert found is not None
        assert (found.outcome, found.why) == (Outcome.UNDECIDED, "the run ended")
        assert session.policy is old


def test_an_operator_counts_more() -> None:
    for choice in ("promote", "roll_back", "load"):
        session = make_session(LegRobot())
        slots, canary, events = begun(session)
        with closing(slots):
            ticked(session.loop, SLICE + 2)
            third = other(3)
            if choice == "load":
                slots.load(third)
            else:
                getattr(slots, choice)()
            expected = {"promote": canary.new, "roll_back": canary.old, "load": third}[choice]
            assert drivers(session.loop, ALL) == ALL * [expected]
            assert canary.verdict is not None
            assert canary.verdict.outcome is Outcome.UNDECIDED
            assert events.count("canary ends") == 1


def test_what_cannot_be_tried_is_refused() -> None:
    robot = LegRobot()
    session = make_session(robot)
    with closing(PolicySlots(session)) as slots:
        with pytest.raises(UserError, match="no policy drives yet"):
            slots.canary(other())
        ticked(session.loop, 5)
        with pytest.raises(UserError, match="no policy is in shadow"):
            slots.canary()
        with pytest.raises(UserError, match="it drives or did"):
            slots.canary(session.policy)
        first = slots.canary(other())
        with pytest.raises(UserError, match="a canary drives already"):
            slots.canary(other(2))
        assert slots.last_canary is first
        slots.roll_back()
        robot.values["joint_vel"][0, 0] = np.nan
        ticked(session.loop, 10)
        with pytest.raises(UserError, match="the guard has stopped the robot"):
            slots.canary(other(2))
