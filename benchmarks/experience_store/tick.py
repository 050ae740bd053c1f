"""Measures what experience costs a tick of the control loop, with and without in turns."""

import dataclasses
import statistics
from contextlib import closing
from pathlib import Path

import numpy as np
from control_loop import PERIOD, REALTIME, description, make_loop, model_at, paced, served
from figures import Figure

from edge_runtime.experience.store import ExperienceStore
from edge_runtime.keys.key_file import new_key
from edge_runtime.loop.realtime import realtime
from experience_store.observer import ExperienceObserver, layout_of

WITHOUT, WITH = "without", "with"


def tick_overhead(folder: Path, rounds: int, seconds: float) -> list[Figure]:
    """Times ticks of one loop at 200 Hz, observed and not in turns, on one core.

    Args:
        folder: where the store is made.
        rounds: number of turns of each.
        seconds: duration of a turn.
    """
    robot = description()
    taken: dict[str, list[np.ndarray]] = {WITHOUT: [], WITH: []}
    with served(robot, PERIOD) as border:
        loop = make_loop(model_at(PERIOD), border)
        layout = layout_of(loop.controller.policy, robot.name)
        with (
            ExperienceStore(folder, new_key(), layout, 20_000_000) as store,
            closing(ExperienceObserver(loop, store)) as observer,
            realtime(dataclasses.replace(REALTIME, cpu=0)),
        ):
            for turn in range(rounds):
                order = (WITHOUT, WITH) if turn % 2 else (WITH, WITHOUT)
                for name in order:
                    if name is WITH:
                        loop.add_observer(observer)
                    taken[name].append(paced(loop.tick, PERIOD, seconds))
                    if name is WITH:
                        loop.remove_observer(observer)
            observer.close()
            kept = sum(len(rows) for rows in store.read())
            given, failures = observer.writer.given, loop.observer_failures
    assert not failures, failures
    ticks = {name: [float(np.median(t)) / 1e3 for t in turns] for name, turns in taken.items()}
    added = [b - a for a, b in zip(ticks[WITHOUT], ticks[WITH])]
    p99 = {name: float(np.percentile(np.concatenate(t), 99)) / 1e3 for name, t in taken.items()}
    return [
        Figure(
            "experience of a tick at 200 Hz handed over, added to it, p50",
            statistics.median(added),
            "µs",
            10,
            f"a tick takes {statistics.median(ticks[WITHOUT]):.0f} µs without",
            at_least=False,
        ),
        Figure(
            "… added to its p99",
            p99[WITH] - p99[WITHOUT],
            "µs",
            None,
            f"{p99[WITHOUT]:.0f} µs without",
            at_least=False,
        ),
        Figure("… rows that are in the store", 100 * kept / given, "%", 100, f"{given} ticks"),
    ]
