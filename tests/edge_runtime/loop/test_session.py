"""How a session brings a robot to rest, and starts again."""

import gc
import threading
import time

import numpy as np
import pytest

from edge_runtime.errors import UserError
from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop import session as session_module
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.session import Session
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.robot.robot import ActuatorCommand, Mode
from edge_runtime.safety.rules import Reaction
from tests.edge_runtime.leg import BURST, PacedRobot, make_contract, make_model

CONFIG = LoopConfig(stop_seconds=0.05, rules=())


class HangingRobot(PacedRobot):
    """A robot whose writes hang while `hangs` is set, until it `goes_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.goes_on = threading.Event(), threading.Event()

    def write(self, command: ActuatorCommand) -> None:
        super().write(command)
        if self.hangs.is_set():
            self.goes_on.wait(30.0)


class Commands:
    """Observes what the operator asks for, each once."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def observe(self, tick: Tick) -> None:
        command = tick.command.tolist()
        if not self.seen or command != self.seen[-1]:
            self.seen.append(command)


def make_session() -> tuple[Session, HangingRobot]:
    robot, contract = HangingRobot(), make_contract(control_period=0.005)
    policy = Policy(make_model(contract))
    return Session(policy, robot, AttitudeFusion(0.005, BURST), CONFIG), robot


def wait_for_ticks(session: Session, ticks: int = 4) -> None:
    until = time.monotonic() + 30.0
    while session.loop.ticks < ticks:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_slows_down_under_the_policy_and_stops_under_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "_SLOWING_SECONDS", 0.8)
    monkeypatch.setattr(session_module, "_STANDING_SECONDS", 0.2)
    session, robot = make_session()
    commands = Commands()
    session.loop.add_observer(commands)
    session.loop.command.put(np.array([0.8, 0.0, -0.4], np.float32))
    session.start()
    wait_for_ticks(session)
    session.come_to_rest()
    shares = [forward / 0.8 for forward, _, _ in commands.seen]
    assert shares == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])
    assert session.loop.reaction is Reaction.NONE, "the policy still drives"
    session.end()
    assert not session.loop.running
    assert robot.commands[-1].mode is Mode.DAMP


def test_in_a_hurry_it_does_not_wait() -> None:
    session, _ = make_session()
    hurry = threading.Event()
    session.start()
    wait_for_ticks(session)
    hurry.set()
    began = time.monotonic()
    session.come_to_rest(hurry)
    assert time.monotonic() - began < 1.0
    assert session.loop.command.get().tolist() == [0.0, 0.0, 0.0]
    session.end()


def test_a_session_that_never_began_ends_at_once() -> None:
    session, robot = make_session()
    began = time.monotonic()
    session.come_to_rest()
    session.end()
    assert time.monotonic() - began < 1.0
    assert robot.commands == []


def test_as_a_context_it_starts_and_ends_at_rest() -> None:
    session, robot = make_session()

    def drive() -> None:
        with session:
            wait_for_ticks(session)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive()
    assert not session.loop.running
    assert robot.commands[-1].mode is Mode.DAMP


def test_an_impatient_ctrl_c_still_stops_the_robot(monkeypatch: pytest.MonkeyPatch) -> None:
    session, robot = make_session()

    def interrupted() -> None:
        raise KeyboardInterrupt

    def drive() -> None:
        with session:
            wait_for_ticks(session)
            monkeypatch.setattr(session, "come_to_rest", interrupted)

    with pytest.raises(KeyboardInterrupt):
        drive()
    assert not session.loop.running
    assert robot.commands[-1].mode is Mode.DAMP


def test_a_driver_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "_PATIENCE_SECONDS", 0.1)
    session, robot = make_session()
    session.start()
    wait_for_ticks(session)
    robot.hangs.set()
    with pytest.raises(UserError, match=r"robot 'leg' did not stop within 0\.15 s: a call of its"):
        session.end()
    robot.goes_on.set()
    assert session.loop.join(30.0)
    assert gc.isenabled(), "the loop ended in order"


def test_starts_again_with_the_same_policy_and_observers() -> None:
    session, robot = make_session()
    observer = Commands()
    session.loop.add_observer(observer)
    for _ in range(2):
        session.renew()
        session.start()
        wait_for_ticks(session)
        assert observer.seen
        session.end()
        assert robot.commands[-1].mode is Mode.DAMP
        observer.seen.clear()


def test_a_policy_swapped_in_after_an_end_starts_with_an_estimator_that_was_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, _ = make_session()
    session.start()
    wait_for_ticks(session)
    session.end()
    resets: list[bool] = []
    monkeypatch.setattr(session.fusion, "reset", lambda: resets.append(True))
    session.swap(Policy(make_model(make_contract(control_period=0.005), 1)))
    assert resets == [True]


def test_a_policy_is_swapped_in_at_once_after_the_driver_failed() -> None:
    session, robot = make_session()
    write, better = robot.write, Policy(make_model(make_contract(control_period=0.005), 1))

    def broken(command: ActuatorCommand) -> None:
        raise OSError("bus off")

    robot.write = broken  # type: ignore[method-assign]
    session.start()
    with pytest.raises(OSError, match="bus off"):
        session.loop.join(30.0)
    session.swap(better, timeout=0.01)
    assert session.policy is better
    robot.write = write  # type: ignore[method-assign]
    session.start()
    wait_for_ticks(session)
    session.end()
