"""Feeds the control loop's ticks to a learner that proposes nothing and keeps the experience."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from edge_runtime.experience.key import master_key
from edge_runtime.experience.store import ExperienceStore
from edge_runtime.files import write_file
from edge_runtime.learning.feed.exploration import Exploration
from edge_runtime.learning.feed.feed import Feed
from edge_runtime.learning.feed.feed_layout import FeedLayout
from edge_runtime.learning.process.job import LearnJob, StoreConfig
from edge_runtime.learning.process.keeper import Keeper
from edge_runtime.learning.process.workplace import POLICY_FILE
from edge_runtime.learning.tier import Proposal, Rows, Start
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.binding import bind
from edge_runtime.policy.inference import Policy

_LAG = 60.0  # s by which the learner may be behind, as beside `sim2edge run`


class Idle:
    """Learns nothing."""

    name, needs_signals = "idle", False

    def take(self, rows: Rows) -> Proposal | None:
        """Takes in rows, and forgets them."""
        del rows
        return None

    def judged(self, proposal: Proposal, good: bool, why: str) -> None:
        """Hears of no proposal, for there is none."""

    def driver(self, model: bytes) -> None:
        """Does not mind which policy drives."""

    def progress(self) -> Mapping[str, float | str]:
        """Returns nothing."""
        return {}

    def state(self) -> dict[str, Any]:
        """Returns nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores nothing."""


def idle(_start: Start) -> Idle:
    """Makes the tier."""
    return Idle()


@contextmanager
def fed(
    loop: ControlLoop,
    model: bytes,
    folder: Path,
    store: StoreConfig,
    exploration: Exploration | None = None,
) -> Iterator[tuple[Feed, LearnJob]]:
    """Yields what feeds a loop's ticks, and the job of a learner in that folder.

    Args:
        loop: the loop; the caller adds the feed to its observers.
        model: the file of its policy.
        folder: where the learner works.
        store: where it keeps experience.
        exploration: what knows the log-probability of each action; None if nothing explores.
    """
    folder.mkdir()
    write_file(folder / POLICY_FILE, model)
    name = f"benchmark-learn-{time.monotonic_ns()}"
    robot = loop.robot.description
    to_policy = bind(loop.controller.contract, robot, loop.fusion).to_policy.tolist()
    with closing(Feed(name, FeedLayout.of(loop, _LAG), exploration)) as feed:
        job = LearnJob(
            feed=name,
            layout=feed.layout,
            robot=robot,
            to_policy=tuple(to_policy),
            tiers=(f"{__name__}:{idle.__name__}",),
            store=store,
            cpu=0,
        )
        job.write(folder)
        yield feed, job


def kept(store: StoreConfig, policy: Policy) -> int:
    """Returns how many rows of a policy a store holds."""
    assert store.folder is not None
    layout = Keeper(StoreConfig(), policy, ()).layout
    key = master_key(store.key)
    with ExperienceStore(store.folder, key, layout, robot_id=store.robot_id) as opened:
        return sum(len(rows) for rows in opened.read())
