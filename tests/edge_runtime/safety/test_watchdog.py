"""The service manager hears of a loop that ticks, and nothing of one that hangs."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_runtime.fusion.attitude.fusion import AttitudeFusion
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.safety.watchdog import ServiceWatchdog
from tests.edge_runtime.leg import BURST, LegRobot, make_contract, make_model


class Hanging(LegRobot):
    """A robot whose driver may not return from a call."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def read(self) -> object:  # type: ignore[override]
        self.goes_on.wait()
        return super().read()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(2.0)
        yield manager


def environment(manager: socket.socket, usec: int = 200_000) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(usec)}


def heard(manager: socket.socket, seconds: float) -> list[str]:
    manager.settimeout(seconds)
    messages, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            messages.append(manager.recv(4096).decode())
        except TimeoutError:
            break
    return messages


@pytest.fixture
def hanging() -> Iterator[tuple[ControlLoop, threading.Event, Hanging]]:
    """A loop that ticks in a thread from the moment on that its event is set."""
    robot, goes, done = Hanging(), threading.Event(), threading.Event()
    policy = Policy(make_model(make_contract()))
    loop = ControlLoop(policy, robot, AttitudeFusion(0.02, BURST), LoopConfig())

    def run() -> None:
        goes.wait()
        while not done.wait(0.005):
            loop.tick()

    thread = threading.Thread(target=run)
    thread.start()
    yield loop, goes, robot
    done.set()
    goes.set()
    robot.goes_on.set()
    thread.join()


def test_a_loop_that_hangs_is_not_vouched_for(
    manager: socket.socket, hanging: tuple[ControlLoop, threading.Event, Hanging]
) -> None:
    loop, goes, robot = hanging
    watchdog = ServiceWatchdog(lambda: loop.ticks, environment(manager))
    with closing(watchdog):
        assert watchdog.every == pytest.approx(0.05)
        assert heard(manager, 0.12) == [], "it does not tick yet"
        goes.set()
        first, *others = heard(manager, 0.3)
        assert first.splitlines()[:2] == ["READY=1", "WATCHDOG=1"]
        assert first.splitlines()[2].startswith("STATUS=")
        assert len(others) >= 2
        assert all(m.startswith("WATCHDOG=1\n") for m in others)
        robot.goes_on.clear()
        time.sleep(0.12)
        heard(manager, 0.01)
        assert heard(manager, 0.25) == []
        robot.goes_on.set()
        assert heard(manager, 0.2)
    assert heard(manager, 0.1)[-1] == "STOPPING=1"


def test_without_a_manager_there_is_no_thread() -> None:
    before = threading.active_count()
    for environ in ({}, {"NOTIFY_SOCKET": ""}):
        watchdog = ServiceWatchdog(lambda: 0, environ)
        assert (watchdog.is_watched, threading.active_count()) == (False, before)
        watchdog.close()


def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    ticks = iter(range(1000))
    environ = {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "40000"}
    with closing(ServiceWatchdog(lambda: next(ticks), environ)) as watchdog:
        time.sleep(0.05)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(environ["NOTIFY_SOCKET"])
            assert heard(manager, 0.1)[0].startswith("READY=1"), "it is said until it is heard"
    assert watchdog.is_watched


def test_an_abstract_socket_and_another_process_s_watchdog() -> None:
    name = f"sim2edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        environ = {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
        with closing(ServiceWatchdog(lambda: 1, environ)) as watchdog:
            assert watchdog.every == 0.5
        assert heard(manager, 0.2) == ["STOPPING=1"]
