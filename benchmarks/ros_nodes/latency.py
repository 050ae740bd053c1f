"""Measures the cost of ROS: latency, jitter and processor time at 100 Hz. Part of `ros.py`.

The robot is a process that publishes the humanoid's sensors. In turns it is answered by the edge
node and by a bare rclpy node; a control loop on shared memory takes its turn too.
"""

import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from control_loop import description, make_loop, served
from figures import Figure

from edge_runtime.loop.deadline_pace import DeadlinePace
from edge_runtime.loop.latency_histogram import percentiles
from ros_nodes.drivers import PERIOD, Answers, answering_policy, run_bare_node, run_drivers
from ros_nodes.listener import Listener
from ros_nodes.processes import processor_seconds, running_edge_node, wait_until

_ANSWERED = 98.0  # %; below, it is not the policy that answers
_SETTLING = 2.0  # s before answers count
_SPAWN = multiprocessing.get_context("spawn")


class Round(NamedTuple):
    """Measures one turn of a node."""

    p50: float  # ms
    p99: float
    answered: float  # share of samples
    cpu: float  # cores
    jitter: float = 0.0  # ms, p99 of the wake-up


def at_100_hz(rounds: int, seconds: float) -> list[Figure]:
    """Returns all rows.

    Args:
        rounds: turns of each node.
        seconds: duration of each turn.
    """
    model = answering_policy()
    ours, bare, without = [], [], []
    for _ in range(rounds):
        bare.append(_echo(seconds))
        without.append(_shared_memory(model, seconds))
        ours.append(_edge(model, seconds))
    return [
        _latency("p50", [r.p50 for r in ours], [r.p50 for r in bare], 1.5),
        _latency("p99", [r.p99 for r in ours], [r.p99 for r in bare], 2.0),
        Figure("samples answered", 100 * min(r.answered for r in ours), "%", _ANSWERED),
        _jitter([r.jitter for r in ours], without),
        Figure(
            "processor time of the edge node at 100 Hz",
            100.0 * statistics.median(r.cpu for r in ours),
            "% of a core",
            25.0,
            f"bare node {100 * statistics.median(r.cpu for r in bare):.0f} %",
            at_least=False,
        ),
    ]


def _latency(
    percentile: str, ours: Sequence[float], bare: Sequence[float], target: float
) -> Figure:
    return Figure(
        f"sensor stamp → command at the robot, 100 Hz, {percentile}",
        _median_ratio(ours, bare),
        "x bare echo node",
        target,
        f"{statistics.median(ours):.2f} ms; echo {statistics.median(bare):.2f} ms",
        at_least=False,
    )


def _jitter(ours: Sequence[float], without: Sequence[float]) -> Figure:
    return Figure(
        "wake-up of the control loop, p99",
        _median_ratio(ours, without),
        "x the loop on shared memory",
        1.5,
        f"{statistics.median(ours):.3f} ms; without ROS {statistics.median(without):.3f} ms",
        at_least=False,
    )


def _median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs))


def _edge(model: bytes, seconds: float) -> Round:
    with _robot() as robot, Listener() as listener:
        with running_edge_node(model, lock_memory="true") as node:
            answers, cpu = robot.measure(node.process.pid, seconds)
            jitter = float(listener.diagnostics("control loop")["wake-up_p99_us"]) * 1e-3
        return _round(answers, cpu)._replace(jitter=jitter)


def _echo(seconds: float) -> Round:
    stop = _SPAWN.Event()
    process = _SPAWN.Process(target=run_bare_node, args=(stop,), daemon=True)
    with _robot() as robot:
        process.start()
        assert process.pid is not None
        answers, cpu = robot.measure(process.pid, seconds)
        stop.set()
        process.join()
        return _round(answers, cpu)


def _round(answers: Answers, cpu: float) -> Round:
    p50, p99 = 1e3 * np.percentile(answers.latencies, (50, 99))
    return Round(p50, p99, len(answers.latencies) / answers.samples, cpu)


def _shared_memory(model: bytes, seconds: float) -> float:
    """Returns the p99 of the same loop's wake-up without ROS, ms."""
    with served(description(), PERIOD) as border:
        loop = make_loop(model, border)
        loop.start(DeadlinePace(loop))
        time.sleep(_SETTLING + seconds)
        loop.stop()
        loop.join()
        return percentiles(loop.budget.wake_up, (99.0,))[0] * 1e-6


class _Robot:
    """Runs the process of the drivers."""

    def __init__(self) -> None:
        self._answered, self._measuring, self._stop = (_SPAWN.Event() for _ in range(3))
        self._answers, to = _SPAWN.Pipe(duplex=False)
        arguments = (self._answered, self._measuring, self._stop, to)
        self.process = _SPAWN.Process(target=run_drivers, args=arguments, daemon=True)
        self.process.start()

    def measure(self, pid: int, seconds: float) -> tuple[Answers, float]:
        """Returns what came back in some seconds, and how many cores a process used meanwhile."""
        wait_until(self._answered.is_set, "the robot was commanded")
        time.sleep(_SETTLING)
        before = processor_seconds(pid)
        self._measuring.set()
        time.sleep(seconds)
        taken = processor_seconds(pid) - before
        self._stop.set()
        answers: Answers = self._answers.recv()
        return answers, taken / seconds

    def end(self) -> None:
        self._stop.set()
        self.process.join()


@contextmanager
def _robot() -> Iterator[_Robot]:
    robot = _Robot()
    try:
        yield robot
    finally:
        robot.end()
