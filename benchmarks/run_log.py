"""Measures the cost of `sim2edge run --log`: control-thread time per tick, and disk
space per hour."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from figures import Figure, parse_arguments, report

from edge_runtime.estimators import find_fusion, find_name
from edge_runtime.loop.config import LoopConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_recorder import RunRecorder
from edge_runtime.robot.robot import ActuatorCommand
from sim.server.simulated_robot import LockstepRobot, SimulatedRobot
from sim.tasks.task import find_robot_task

TASK = "HumanoidVelocity"
STRETCH = 50  # ticks with the log, then as many without, alternating


class TimedRecorder:
    """Passes ticks to a log, and records the processor time that each takes."""

    def __init__(self, log: RunRecorder) -> None:
        self._log = log
        self.taken: list[float] = []  # µs

    def observe(self, tick: Tick) -> None:
        started = time.thread_time_ns()
        self._log.observe(tick)
        self.taken.append((time.thread_time_ns() - started) * 1e-3)


class DeferringRobot(LockstepRobot):
    """Advances by a control period when `advance` is called, and not in the tick that is timed."""

    def write(self, command: ActuatorCommand) -> None:
        self.command = command

    def advance(self) -> None:
        super().write(self.command)


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    return report(cost(20 if arguments.quick else 120), arguments.json)


def cost(stretches: int) -> list[Figure]:
    """Measures ticks in lockstep, with and without the log in turns; physics runs between two
    ticks."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    with logged() as (loop, robot, log):
        recorder = TimedRecorder(log)
        for stretch in range(stretches):
            on = stretch % 2 == 1
            # Every other time without the recorder's clock, so that the clock does not count as the
            # log's cost.
            timed = stretch % 4 == 3
            observer = recorder if timed else log
            if on:
                loop.add_observer(observer)
            for _ in range(STRETCH):
                started = time.perf_counter_ns()
                loop.tick()
                if not timed:
                    taken[on].append((time.perf_counter_ns() - started) * 1e-3)
                robot.advance()
            loop.remove_observer(observer)
        kept = log.as_dictionary()
    without, median = (np.median(taken[on][STRETCH:]) for on in (False, True))
    p99 = np.percentile(recorder.taken[STRETCH:], 99)
    hour = kept["bytes"] / kept["rows"] * 3600e9 / loop.period / 1e6
    beside = f"a tick takes {without:.0f} µs without"
    return [
        Figure(
            "log of a run, added to a tick, p50", median - without, "µs", 10, beside, at_least=False
        ),
        Figure(
            "log of a run, processor time of a tick, p99", p99, "µs", 10, beside, at_least=False
        ),
        Figure("log of a run, an hour of the humanoid", hour, "MB"),
    ]


@contextmanager
def logged() -> Iterator[tuple[ControlLoop, DeferringRobot, RunRecorder]]:
    """Runs the trained policy on its simulated robot, with its own estimator and a log."""
    policy = Policy.load(TASK)
    robot = DeferringRobot(SimulatedRobot(find_robot_task(TASK), truth=True))
    name = find_name("auto", policy.contract, robot.description)
    fusion = find_fusion(name, policy.contract, robot.description)
    loop = ControlLoop(policy, robot, fusion, LoopConfig(rules=()))
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(BlockFile(Path(folder) / "run.s2elog", 10**9)) as file,
    ):
        log = RunRecorder(file, loop, name)
        yield loop, robot, log
        log.close()


if __name__ == "__main__":
    sys.exit(main())
