"""A loop of 200 Hz does not notice that beside it somebody learns, is killed, or hangs."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.learning.beside.child import LearnerChild
from edge_runtime.learning.beside.learning import Learning
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.realtime import RealtimeConfig
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from tests.edge_runtime.learning.beside.robots import MODEL, alive, config
from tests.edge_runtime.learning.process.proposing import BUSY, fed
from tests.edge_runtime.leg import BURST, LegRobot, PacedRobot, make_contract, make_model
from tests.edge_runtime.slots.shadowing import wait_for

FAST = make_model(make_contract(control_period=0.005))
SECONDS = 15.0


class Forgetful(PacedRobot):
    """A leg that remembers no command."""

    def write(self, command: object) -> None:
        pass


def driven(folder: Path | None) -> tuple[Session, Learning | None]:
    """A loop that has run for a while, with a learner or without."""
    fusion = AttitudeFusion(0.005, BURST)
    realtime = RealtimeConfig(fifo=50, lock_memory=True)
    session = Session(Policy(FAST), Forgetful(), fusion, LoopConfig(realtime=realtime))
    learns = None if folder is None else Learning(session, FAST, config(BUSY), folder)
    session.start()
    began, stopped = time.monotonic(), 0
    while time.monotonic() < began + SECONDS:
        time.sleep(0.5)
        if learns is not None and (pid := learns.supervisor.child.pid):
            if stopped == 0 and time.monotonic() > began + 5:
                os.kill(pid, signal.SIGKILL)
                stopped = 1
            elif stopped == 1 and time.monotonic() > began + 8:
                os.kill(pid, signal.SIGSTOP)
                stopped = pid
            elif stopped > 1 and time.monotonic() > began + 10:
                os.kill(stopped, signal.SIGCONT)
    if learns is not None:
        learns.rest()
    session.end()
    if learns is not None:
        learns.close()
    return session, learns


@pytest.mark.slow
def test_a_fast_loop_misses_nothing_while_it_learns_and_promotes(tmp_path: Path) -> None:
    alone, _ = driven(None)
    session, learns = driven(tmp_path)
    assert learns is not None
    report = learns.as_dictionary()
    promoted = [p for p in report["proposals"] if p["outcome"] == "promoted"]
    assert promoted and report["restarts"] == 1
    assert report["progress"]["seconds"] > 8
    assert session.loop.ticks > 0.95 * SECONDS * 200
    assert session.loop.budget.missed <= alone.loop.budget.missed + 2  # of 3000


def test_a_learner_that_is_stopped_loses_ticks_and_goes_on(
    loop: ControlLoop, robot: LegRobot, tmp_path: Path
) -> None:
    with fed(loop, tmp_path, MODEL) as (feed, todo):
        dataclasses.replace(todo, lockstep=True).write(tmp_path)  # so that it keeps its priority
        child = LearnerChild(tmp_path)
        assert child.look()
        for _ in range(60):
            loop.tick()
        wait_for(lambda: feed.taken == 60)
        os.kill(child.pid, signal.SIGSTOP)
        for _ in range(feed.layout.capacity + 500):
            loop.tick()
        os.kill(child.pid, signal.SIGCONT)
        wait_for(lambda: feed.taken == feed.written)
        pid = child.pid
        child.close()
        assert not alive(pid)
        assert not child.look()
    text = (tmp_path / "progress.json").read_text()
    lost = int(text.split('"ticks_lost": ')[1].split(",")[0])
    assert 500 <= lost <= 510
