"""Cuts the power of a recorded operation at random points, and checks what is left each time."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from power_cut.disk import Disk, points
from power_cut.recorder import recorded


@dataclass(frozen=True)
class Operation:
    """Names what is done to a folder, and how what a power cut leaves of that is judged.

    Attributes:
        name: what is done.
        prepare: makes what is in the folder before; all of it is on the disk.
        run: does it. It says to the function that it gets what must not be lost from there on.
        check: goes on with a folder as after a start, and returns what is wrong, empty if nothing
            is; it gets what was said.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path, Callable[[Any], None]], None]
    check: Callable[[Path, list[Any]], str]


@dataclass
class Outcome:
    """Holds what was found in the trials of an operation."""

    trials: int = 0
    events: int = 0  # calls that were recorded
    wrong: list[str] = field(default_factory=list)


def cut_power(operation: Operation, folder: Path, times: int, seed: int = 0) -> Outcome:
    """Records an operation once, and cuts its power at random points.

    Args:
        operation: what is done.
        folder: a new folder to work in.
        times: how often the power is cut.
        seed: the seed of points and losses.
    """
    rng = random.Random(f"{seed} {operation.name}")
    live = folder / "live"
    live.mkdir(parents=True)
    operation.prepare(live)
    with recorded(live) as (trace, acknowledge):
        operation.run(live, acknowledge)
    outcome = Outcome(times, len(trace.events))
    for number, point in enumerate(points(trace, times, rng)):
        # The same path, for what was recorded may name it.
        shutil.rmtree(live)
        disk = Disk(trace, point)
        disk.cut(rng, live)
        try:
            wrong = operation.check(live, disk.acknowledged)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            last = trace.events[point - 1] if point else "nothing"
            outcome.wrong.append(f"{operation.name}, cut {number} after {last!r:.150}: {wrong}")
    return outcome
