"""Measures what experience costs a tick of the control loop, with and without in turns."""

import dataclasses
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from control_loop import (
    PERIOD,
    REALTIME,
    description,
    make_loop,
    model_at,
    paced,
    rehearsal_of,
    served,
)
from figures import Figure

from edge_runtime.keys.key_file import new_key, write_key
from edge_runtime.learning.feed.exploration import Exploration
from edge_runtime.learning.feed.feed import Feed
from edge_runtime.learning.process import program
from edge_runtime.learning.process.job import StoreConfig
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.realtime import realtime
from edge_runtime.loop.rehearsal import Rehearsal
from experience_store.fed_learner import fed, kept

WITHOUT, WITH, EXPLORED = "without", "with", "with exploration"
_TURN = 0.25  # s
_STD = 0.2  # of the exploration
_PATIENCE = 30.0  # s for the learner to work on what is left
_SPAWN = multiprocessing.get_context("spawn")


def tick_overhead(folder: Path, rounds: int) -> list[Figure]:
    """Times ticks of one loop at 200 Hz, fed to a learner and not in turns, on one core.

    They are rehearsed as in `sim2edge run`. The learner is the program that runs beside a robot, at
    its priority, and keeps all in a store.

    Args:
        folder: where the learner works, and its store is made.
        rounds: number of turns of each, which are short, so that all meet the same noise.
    """
    folder.mkdir()
    store = StoreConfig(folder / "store", folder / "key")
    write_key(folder / "key", new_key())
    model = model_at(PERIOD)
    taken: dict[str, list[np.ndarray]] = {WITHOUT: [], WITH: [], EXPLORED: []}
    with served(description(), PERIOD) as border:
        loop = make_loop(model, border)
        policy, rehearsal = loop.controller.policy, rehearsal_of(loop)
        std = np.full(len(policy.contract.actuators), _STD, np.float32)
        exploration = Exploration(std, policy.contract.action_clip, 0)
        exploration.share = 1.0
        with (
            fed(loop, model, folder / "learner", store, exploration) as (feed, _),
            _learner(folder / "learner"),
        ):
            with realtime(dataclasses.replace(REALTIME, cpu=0)):
                for turn in range(rounds):
                    for name in list(taken)[:: 1 if turn % 2 else -1]:
                        loop.controller.explore = exploration if name is EXPLORED else None
                        taken[name].append(_turn(loop, feed, rehearsal, name))
            until = time.monotonic() + _PATIENCE
            while feed.taken < feed.written and time.monotonic() < until:
                time.sleep(0.1)
            written, failures = feed.written, loop.observer_failures
    assert not failures, failures
    return _figures(taken, 100.0 * kept(store, policy) / (written - 1), written)


def _turn(loop: ControlLoop, feed: Feed, rehearsal: Rehearsal, name: str) -> np.ndarray:
    """Returns the durations of a turn's ticks, ns."""
    if name is not WITHOUT:
        loop.add_observer(feed)
    durations = paced(loop.tick, PERIOD, _TURN, rehearsal.wait_until)
    if name is not WITHOUT:
        loop.remove_observer(feed)
    return durations


@contextmanager
def _learner(folder: Path) -> Iterator[None]:
    """Runs the learner in a process of its own, which writes all that it has at the end."""
    process = _SPAWN.Process(target=program.main, args=([str(folder)],), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _figures(taken: dict[str, list[np.ndarray]], share: float, written: int) -> list[Figure]:
    ticks = {name: [float(np.median(t)) / 1e3 for t in turns] for name, turns in taken.items()}
    added = {
        name: statistics.median(b - a for a, b in zip(ticks[WITHOUT], turns))
        for name, turns in ticks.items()
    }
    p99 = {name: float(np.percentile(np.concatenate(t), 99)) / 1e3 for name, t in taken.items()}
    alone, alone99 = statistics.median(ticks[WITHOUT]), p99[WITHOUT]
    return [
        Figure(
            "experience of a tick at 200 Hz fed to a learner beside it, added to the tick, p50",
            added[WITH],
            "µs",
            10,
            f"a tick takes {alone:.0f} µs without",
            at_least=False,
        ),
        Figure("… and its action explored", added[EXPLORED], "µs", at_least=False),
        Figure(
            "… added to its p99",
            p99[WITH] - alone99,
            "µs",
            None,
            f"{alone99:.0f} µs without",
            False,
        ),
        # What the newest tick led to is not known.
        Figure("… rows that are in the store", share, "%", 100, f"{written} ticks"),
    ]
