"""Kills the simulator of a car's graph, or cuts its network. Part of `ros.py`.

Both run in real time, in processes of their own. The network is a veth pair between two network
namespaces, which takes root; its link goes down and up again.
"""

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO

from figures import Figure

HERE = Path(__file__).parent
PERIOD = 0.04  # s, of the car's control loop
TIME_OUT = 0.2  # s without a new sample after which the robot is stopped
LEASE = 20.0  # s after which DDS drops a silent participant
_EVEN = 0.01  # share by which the steps of a controlled stop may differ
_DRIVES = 6.0  # m/s
_PATIENCE = 90.0  # s
_AGAIN = 3.0  # s between two resets by the operator
_STUCK = 15.0  # s without a drive after which the operator puts the car back on its track
_SIDES = ("robot", "edge")
_ADDRESSES = ("10.83.0.1", "10.83.0.2")


@dataclass(frozen=True)
class GraphFaultOutcome:
    """Holds what an observer on the edge node's side saw."""

    reaction: float  # s from the last sample to the first command of the controlled stop
    recovery: float  # s from the end of the fault until the car drives again
    said: tuple[str, ...]  # the edge node's status messages


@dataclass
class GraphObserver:
    """Collects the lines of the process `observer`.

    Args:
        prefix: of the command line, as 'ip netns exec ...'.
    """

    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    samples: list[tuple[float, float]] = field(default_factory=list)
    commands: list[tuple[float, float]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            [*self.prefix, sys.executable, str(HERE / "observer.py")],
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            what, moment, value = line.rstrip("\n").split(" ", 2)
            if what == "status":
                self.said.append(value)
            else:
                received = self.samples if what == "sample" else self.commands
                received.append((float(moment), float(value)))

    @property
    def drives(self) -> bool:
        """Returns whether the car is received, and moves at speed."""
        received = self.samples[-1:] and time.time() - self.samples[-1][0] < 0.5
        return bool(received) and self.samples[-1][1] > _DRIVES

    def reset(self) -> None:
        """Calls the operator's reset service."""
        self._ask("reset")

    def put_back(self) -> None:
        """Sets the simulated car back to its start, as a person lifts one from a wall."""
        self._ask("put_back")

    def _ask(self, what: str) -> None:
        self._input.write(f"{what}\n")
        self._input.flush()

    def reaction(self) -> float:
        """Returns the time from the last sample to the first command of a controlled stop, s;
        infinite if none.

        A stop slows the wheels equally from tick to tick, which no policy does.
        """
        last = self.samples[-1][0]
        after = [command for command in self.commands if command[0] > last]
        for before, first, second, third in zip(after, after[1:], after[2:], after[3:]):
            slower = [a[1] - b[1] for a, b in pairwise((before, first, second, third))]
            if slower[0] > 0 and max(slower) - min(slower) < _EVEN * slower[0]:
                return first[0] - last
        return math.inf

    def close(self) -> None:
        self._input.close()
        self._process.wait(10.0)


def until(holds: Callable[[], bool], what: str, each: Callable[[], None] = lambda: None) -> None:
    """Waits until `holds` is true.

    Raises:
        TimeoutError: it never is.
    """
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"never: {what}")
        each()
        time.sleep(0.02)


def seconds_to_recover(observer: GraphObserver, wait: float = 0.0) -> float:
    """Returns the seconds until the car drives again, with the operator's resets.

    A car that stopped with its nose at a wall is put back, for its policy knows no reverse gear.

    Args:
        observer: of the graph, on the edge node's side.
        wait: s before the first reset.
    """
    began = time.monotonic()
    asked, put_back = began + wait - _AGAIN, began + wait

    def ask() -> None:
        nonlocal asked, put_back
        if time.monotonic() > put_back + _STUCK:
            observer.put_back()
            put_back = time.monotonic()
        if time.monotonic() > asked + _AGAIN:
            observer.reset()
            asked = time.monotonic()

    until(lambda: observer.drives, "the car drives", each=ask)
    return time.monotonic() - began


def kill_the_simulator(domain: int) -> GraphFaultOutcome:
    """Kills the simulator with SIGKILL at speed; `up` starts it again."""
    environment = {"ROS_DOMAIN_ID": str(domain)}
    with _observed((), environment) as observer, _up((), environment, "vehicle") as graph:
        seconds_to_recover(observer, wait=10.0)  # a busy machine may have stopped the car
        time.sleep(1.0)
        killed = child(graph.pid, "sim_node")
        os.kill(killed, signal.SIGKILL)
        time.sleep(1.0)
        reaction = observer.reaction()
        until(lambda: time.time() - observer.samples[-1][0] < 0.1, "it is there again")
        return GraphFaultOutcome(reaction, seconds_to_recover(observer), tuple(observer.said))


def cut_the_network(domain: int, seconds: float) -> GraphFaultOutcome:
    """Cuts the network between robot and edge node at speed, for a time."""
    environment = {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
    }
    with (
        network() as (robot, edge),
        _observed(edge, environment) as observer,
        _node(robot, environment),
        _up(edge, environment, "vehicle", "--real"),
    ):
        seconds_to_recover(observer, wait=10.0)  # a busy machine may have stopped the car
        time.sleep(1.0)
        link("down")
        time.sleep(max(seconds, 1.0))
        reaction = observer.reaction()
        link("up")
        return GraphFaultOutcome(reaction, seconds_to_recover(observer), tuple(observer.said))


def child(parent: int, name: str) -> int:
    """Returns the process id of a node that `up` started."""
    found = subprocess.run(
        ["pgrep", "-P", str(parent), "-f", name], capture_output=True, text=True, check=True
    )
    return int(found.stdout)


def can_cut() -> bool:
    """Returns whether this process may make network namespaces."""
    name = f"{_SIDES[0]}-{os.getpid()}-try"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    if made.returncode == 0:
        _ip("netns", "del", name)
    return made.returncode == 0


@contextlib.contextmanager
def network() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Makes two connected network namespaces; gives the prefixes of commands that run in them."""
    robot, edge = (_namespace(side) for side in _SIDES)
    try:
        for name in (robot, edge):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", robot, *f"link add cable type veth peer name cable netns {edge}".split())
        for address, name in zip(_ADDRESSES, (robot, edge)):
            _ip("-n", name, *f"addr add {address}/24 dev cable".split())
            _ip("-n", name, *["link", "set", "cable", "up"])
        # DDS uses the interfaces that are up when it starts; the kernel may report them a second
        # later.
        until(lambda: all(map(_runs, (robot, edge))), "the cable carries")
        yield tuple(("ip", "netns", "exec", name) for name in (robot, edge))  # type: ignore[misc]
    finally:
        for name in (robot, edge):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def link(state: str) -> None:
    """Sets the connection 'up' or 'down'."""
    _ip("-n", _namespace(_SIDES[0]), "link", "set", "cable", state)


def _namespace(side: str) -> str:
    return f"sim2edge-{side}-{os.getpid()}"


def _runs(namespace: str) -> bool:
    return "state UP" in _ip("-n", namespace, "link", "show", "cable")


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def _observed(prefix: tuple[str, ...], environment: dict[str, str]) -> Iterator[GraphObserver]:
    observer = GraphObserver(prefix, environment)
    try:
        yield observer
    finally:
        observer.close()


@contextlib.contextmanager
def _up(
    prefix: tuple[str, ...], environment: dict[str, str], *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    with _process([*prefix, sys.executable, "-m", "sim2edge", "up", *arguments], environment) as p:
        yield p


@contextlib.contextmanager
def _node(prefix: tuple[str, ...], environment: dict[str, str]) -> Iterator[None]:
    from sim2edge_ros.processes.up import default_parameters  # noqa: PLC0415  what needs no ROS comes first

    parameters = ["--ros-args", "--params-file", str(default_parameters("vehicle"))]
    module = "sim2edge_ros.simulator.sim_node"
    with _process([*prefix, sys.executable, "-m", module, *parameters], environment):
        yield


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        cwd=HERE.parents[1],
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(40.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def figures(name: str, outcome: GraphFaultOutcome) -> list[Figure]:
    """Returns the rows of one fault; the reaction's target is two periods over its time-out."""
    return [
        Figure(f"{name}: last sample to reaction", outcome.reaction, "s", TIME_OUT + 2 * PERIOD,
               f"declared after {TIME_OUT:g} s", at_least=False),
        Figure(f"{name}: drives again after", outcome.recovery, "s"),
    ]  # fmt: skip


def when_parts_fail(quick: bool) -> list[Figure]:
    """Measures all faults."""
    domain = 1 + os.getpid() % 100
    found = figures("kill -9 of the simulator", kill_the_simulator(domain))
    if not can_cut():
        print("the network is not cut: network namespaces need root", file=sys.stderr)
        return found
    for seconds in (3.0,) if quick else (3.0, 1.5 * LEASE):
        outcome = cut_the_network(domain, seconds)
        found += figures(f"network cut for {seconds:g} s", outcome)
    return found
