"""A tier that proposes another policy for the small robot after some rows, and a place to learn."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.files import write_file
from edge_runtime.learning.feed.feed import Feed
from edge_runtime.learning.feed.feed_layout import FeedLayout
from edge_runtime.learning.process.job import LearnJob
from edge_runtime.learning.process.workplace import POLICY_FILE
from edge_runtime.learning.tier import Proposal, Rows, Start
from edge_runtime.loop.control_loop import ControlLoop
from tests.edge_runtime.leg import make_model

PROPOSING = "tests.edge_runtime.learning.process.proposing:proposing"
BUSY = "tests.edge_runtime.learning.process.proposing:busy"
DAMAGED = "tests.edge_runtime.learning.process.proposing:damaged"
ROWS = 100  # between two proposals


class Proposing:
    """Proposes the policy of the next seed after each 100 rows, unless one has no verdict yet."""

    name = "proposing"
    needs_signals = True

    def __init__(self, start: Start, sound: bool = True, seconds: float = 0.0) -> None:
        self.sound, self.rows, self.seed = sound, 0, 0
        self._seconds = seconds  # for which it computes before it proposes
        self._contract, model = start.policy.contract, start.model
        self.waiting = False
        self.heard: list[str] = []
        self.drivers = [model]
        self.numbers: list[int] = []
        self.flags: list[int] = []

    def take(self, rows: Rows) -> Proposal | None:
        self.rows += len(rows.number)
        self.numbers += rows.number.tolist()
        self.flags += rows.flags.tolist()
        if self.waiting or self.rows < ROWS:
            return None
        self.rows, self.waiting, self.seed = 0, True, self.seed + 1
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            np.linalg.svd(np.random.default_rng(0).normal(size=(100, 100)))
        model = make_model(self._contract, self.seed) if self.sound else b"no policy"
        return Proposal(model, f"seed {self.seed}", {"seed": float(self.seed)})

    def judged(self, proposal: Proposal, good: bool, why: str) -> None:
        self.waiting = False
        self.heard.append(f"{proposal.why} {good}: {why}")

    def driver(self, model: bytes) -> None:
        self.drivers.append(model)

    def progress(self) -> Mapping[str, float | str]:
        return {"rows": self.rows, "seed": self.seed, "heard": len(self.heard)}

    def state(self) -> dict[str, Any]:
        return {"rows": self.rows, "seed": self.seed, "waiting": self.waiting, "heard": self.heard}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.rows, self.seed, self.waiting = state["rows"], state["seed"], state["waiting"]
        self.heard = list(state["heard"])


def proposing(start: Start) -> Proposing:
    return Proposing(start)


def busy(start: Start) -> Proposing:
    """Computes for a second before each proposal."""
    return Proposing(start, seconds=1.0)


def damaged(start: Start) -> Proposing:
    return Proposing(start, sound=False)


@contextmanager
def fed(
    loop: ControlLoop, folder: Path, model: bytes, **job: Any
) -> Iterator[tuple[Feed, LearnJob]]:
    """Feeds a loop's ticks to a learner in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / POLICY_FILE, model)
    feed = Feed(f"test-{time.monotonic_ns()}", FeedLayout.of(loop, 60.0))
    loop.add_observer(feed)
    more: dict[str, Any] = {"tiers": (PROPOSING,), **job}
    robot = loop.robot.description
    todo = LearnJob(feed.name, feed.layout, robot, to_policy=(0, 1, 2), **more)
    todo.write(folder)
    try:
        yield feed, todo
    finally:
        loop.remove_observer(feed)
        feed.close()
