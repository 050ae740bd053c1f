"""A rehearsed tick is the same tick: nothing that the copy of the loop does can be seen."""

import time
from collections.abc import Mapping

import numpy as np
import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.rehearsal import EchoRobot, Rehearsal
from edge_runtime.policy.inference import Policy
from edge_runtime.signals import Array, Signals
from tests.edge_runtime.leg import BURST, LegRobot, ManualClock, make_contract, make_model

PERIOD = 0.005  # s
AHEAD = 3_000_000  # ns from now to a release: enough for a rehearsal
CONFIG = LoopConfig(rules=())


class CountingFusion(AttitudeFusion):
    """An estimator that counts its updates; each may take some time, or fail."""

    def __init__(self, seconds: float = 0.0, fails: bool = False) -> None:
        super().__init__(PERIOD, BURST)
        self.seconds, self.fails, self.updates = seconds, fails, 0

    def update(self, signals: Signals, periods: int = 1) -> Mapping[str, Array]:
        self.updates += 1
        time.sleep(self.seconds)
        if self.fails:
            raise ArithmeticError("singular")
        return super().update(signals, periods)


def make_loop(robot: LegRobot) -> ControlLoop:
    contract = make_contract(control_period=PERIOD)
    fusion = AttitudeFusion(PERIOD, BURST)
    return ControlLoop(Policy(make_model(contract)), robot, fusion, CONFIG, ManualClock())


def drive(loop: ControlLoop, rehearsal: Rehearsal | None, ticks: int) -> None:
    for _ in range(ticks):
        if rehearsal is not None:
            rehearsal.wait_until(time.monotonic_ns() + AHEAD)
        loop.tick()


def test_commands_are_the_same_bit_by_bit_with_and_without() -> None:
    sent = []
    for rehearsed in (False, True):
        robot = LegRobot()
        loop, fusion = make_loop(robot), CountingFusion()
        rehearsal = Rehearsal(loop, fusion) if rehearsed else None
        for seed in range(3):
            drive(loop, rehearsal, 20)
            loop.swap(Policy(make_model(loop.controller.contract, seed)))
            robot.lean(0.1 * seed)
        assert (fusion.updates > 40) is rehearsed
        assert len(robot.commands) == 60, "what the copy commands goes nowhere"
        sent.append(np.array([command.target for command in robot.commands]))
    assert np.array_equal(*sent)
    assert np.ptp(sent[0], axis=0).max() > 0.01


class ReadInBetween(LegRobot):
    """A robot that can be read more often than the loop does; that may fail."""

    rehearsals, fails = 0, False

    def rehearse(self) -> None:
        self.rehearsals += 1
        if self.fails:
            raise OSError("bus off")


def test_a_robot_that_can_be_read_in_between_is_rehearsed_too() -> None:
    robot = ReadInBetween()
    loop = make_loop(robot)
    echo = EchoRobot(robot, loop.sensors, loop.period)
    assert echo.read() is None
    assert robot.rehearsals == 0, "the first read is the loop's"
    loop.tick()
    assert echo.read() is not None
    assert robot.rehearsals == 1


def test_a_robot_that_cannot_be_rehearsed_is_named_and_driven() -> None:
    robot = ReadInBetween()
    robot.fails = True
    loop = make_loop(robot)
    drive(loop, Rehearsal(loop, CountingFusion()), 10)
    assert len(robot.commands) == 10
    assert loop.realtime_report["rehearsal"] == "none (it failed: OSError: bus off)"


def test_never_returns_before_the_release() -> None:
    rehearsal = Rehearsal(make_loop(LegRobot()), CountingFusion())
    for ahead in (-1_000_000, 0, 10_000, 90_000, 200_000, 1_000_000, AHEAD):
        release = time.monotonic_ns() + ahead
        rehearsal.wait_until(release)
        assert time.monotonic_ns() >= release


def test_what_takes_too_long_is_hardly_ever_rehearsed() -> None:
    loop, fusion = make_loop(LegRobot()), CountingFusion(seconds=PERIOD)
    drive(loop, Rehearsal(loop, fusion), 200)
    assert 0 < fusion.updates < 40
    assert loop.ticks == 200


def test_where_no_time_is_left_the_tick_comes_at_once() -> None:
    loop, fusion = make_loop(LegRobot()), CountingFusion()
    rehearsal = Rehearsal(loop, fusion)
    loop.tick()
    for _ in range(20):
        rehearsal.wait_until(time.monotonic_ns() - 1_000)
    assert fusion.updates == 0


def test_a_copy_that_fails_is_named_and_the_loop_goes_on() -> None:
    robot = LegRobot()
    loop, fusion = make_loop(robot), CountingFusion(fails=True)
    drive(loop, Rehearsal(loop, fusion), 10)
    assert fusion.updates == 1
    assert len(robot.commands) == 10
    assert loop.realtime_report["rehearsal"] == "none (it failed: ArithmeticError: singular)"


def test_follows_the_policy_that_is_swapped_in(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = make_loop(LegRobot())
    rehearsal = Rehearsal(loop, CountingFusion())
    drive(loop, rehearsal, 3)
    better, copies = Policy(make_model(loop.controller.contract, 1)), []
    original = better.with_own_buffers
    monkeypatch.setattr(better, "with_own_buffers", lambda: copies.append(original()) or copies[0])
    loop.swap(better)
    drive(loop, rehearsal, 3)
    assert len(copies) == 1
    assert copies[0].action.any(), "the copy ran it"
    assert copies[0].action is not better.action
