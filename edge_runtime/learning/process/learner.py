"""Learns in a process of its own from what the control loop feeds, and goes on after a crash."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.learning.feed.feed import FeedReader
from edge_runtime.learning.feed.feed_layout import tag_of
from edge_runtime.learning.kit import LearnerKit
from edge_runtime.learning.process.checkpoint import read_checkpoint, write_checkpoint
from edge_runtime.learning.process.episodes import Episodes, Experience
from edge_runtime.learning.process.job import LearnJob
from edge_runtime.learning.process.keeper import Keeper
from edge_runtime.learning.process.proposals import Proposals
from edge_runtime.learning.process.returns import Returns
from edge_runtime.learning.process.tiers import make_tier
from edge_runtime.learning.process.workplace import POLICY_FILE, Workplace
from edge_runtime.learning.reward.onboard_reward import OnboardReward
from edge_runtime.learning.tier import Proposal, Rows, Start, Tier
from edge_runtime.policy.inference import Policy, read_model
from edge_runtime.signals import Bool

CHECKPOINT_FILE = "checkpoint.npz"
_MOST_TICKS = 500  # that are worked on at once
_SAVE_SECONDS = 30.0  # of experience between two checkpoints without anything new


class Learner:
    """Lets tiers learn from the feed, one after the other, and keeps what they need to go on.

    Args:
        folder: where the learner works; it holds the job, and the policy that drives first.
        job: what to do.

    Raises:
        UserError: policy, kit, tiers and feed do not fit together.
    """

    def __init__(self, folder: Path, job: LearnJob) -> None:
        self._place, self._job = Workplace(folder), job
        self._model = read_model(folder / POLICY_FILE)
        self._policy = Policy(self._model, str(folder / POLICY_FILE))
        contract = self._policy.contract
        self._kit, self._reward = None, None
        if job.kit is not None:
            self._kit = LearnerKit.load(job.kit, self._policy.sha256)
            self._reward = OnboardReward(self._kit.config.reward, contract, job.robot)
        self._period = contract.control_period
        self._episodes = Episodes(job.layout, job.to_policy, self._reward)
        self._note = ""  # what people should know
        self._begin()
        self._feed = FeedReader(job.feed, job.layout)
        names = () if self._reward is None else self._reward.names
        self._keeper = Keeper(job.store, self._policy, names)
        self._go_on()
        self._report()

    def _begin(self) -> None:
        """Begins with what nobody has learned yet."""
        start = Start(self._policy, self._model, self._kit, self._job.seed)
        self._tiers: Sequence[Tier] = [make_tier(name, start) for name in self._job.tiers]
        weights = np.zeros(0) if self._reward is None else self._reward.weights
        self._returns = Returns(weights, self._period)
        self._proposals = Proposals(self._place, self._model)
        self._driver = tag_of(self._policy.sha256)
        self._chunk: list[Experience] = []  # not yet shown to a tier
        self._steps = 0  # control steps that the tiers have seen
        self._saved = 0  # of them, at the last checkpoint
        self._number = -1  # tick of the newest of them
        self._turn = 0  # of which tier it is

    @property
    def _tier(self) -> Tier:
        """Returns the tier whose turn it is."""
        return self._tiers[self._turn]

    def step(self) -> bool:
        """Works on what is new; returns False if nothing was."""
        ticks = self._feed.read(_MOST_TICKS)
        self._hear()
        if not len(ticks):
            return False
        if why := self._place.pause:
            self._episodes.take(ticks[-1:])  # a gap
            self._chunk.clear()
            self._report(why)
        else:
            self._take(self._episodes.take(ticks))
        self._feed.done()
        return True

    def save(self) -> None:
        """Writes a checkpoint; a disk that takes none is named in the progress."""
        self._saved = self._steps
        try:
            write_checkpoint(self._place.folder / CHECKPOINT_FILE, self._state())
        except UserError as error:
            self._note = str(error)

    def close(self) -> None:
        """Writes what is left, and lets go of the feed."""
        self.save()
        self._report()
        self._keeper.close()
        self._feed.close()

    # -- learning --------------------------------------------------------------------------

    def _take(self, found: Experience) -> None:
        new = found.rows.number > self._number  # not found in the store before
        if not new.any():
            return
        found = Experience(selected(found.rows, new), found.policy[new])
        self._keeper.append(found.rows)
        self._chunk.append(found)
        if sum(len(e.rows.number) for e in self._chunk) * self._period < self._job.chunk:
            return
        chunk, self._chunk = self._chunk, []
        for experience in chunk:
            self._show(experience)
        self._keeper.sync()
        self._take_turns()
        if (self._steps - self._saved) * self._period >= _SAVE_SECONDS:
            self.save()
        self._report()

    def _show(self, experience: Experience) -> None:
        rows, tier = experience.rows, self._tier
        self._steps += len(rows.number)
        self._number = int(rows.number[-1])
        self._returns.add(rows)
        if tier.needs_signals:
            rows = selected(rows, experience.policy == self._driver)
        if len(rows.number):
            self._propose(tier, tier.take(rows))

    def _propose(self, tier: Tier, proposal: Proposal | None) -> None:
        if proposal is None:
            return
        try:
            self._proposals.make(tier.name, proposal)
        except UserError as error:
            self._note = str(error)
            tier.judged(proposal, False, str(error))
        self.save()

    def _take_turns(self) -> None:
        """Lets the next tier learn from the policy that drives now, when it is due."""
        ends = (self._turn + 1) * self._job.turn
        if self._turn + 1 == len(self._tiers) or self._steps * self._period < ends:
            return
        if not self._proposals.waiting:
            self._turn += 1
            self._tier.driver(self._proposals.driver)
            self.save()

    def _hear(self) -> None:
        """Hears what became of proposals, and which policy drives."""
        news = self._proposals.news()
        for judged in news:
            for tier in self._tiers:
                if tier.name == judged.tier:
                    tier.judged(judged.proposal, judged.good, judged.why)
            if judged.changes_driver:
                self._drive()
        if news:
            self.save()

    def _drive(self) -> None:
        model = self._proposals.driver
        self._driver = tag_of(hashlib.sha256(model).hexdigest())
        self._tier.driver(model)

    # -- going on --------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        return {
            "steps": self._steps,
            "number": self._number,
            "feed": self._job.feed,
            "turn": self._turn,
            "returns": self._returns.state(),
            "proposals": self._proposals.state(),
            "tiers": [tier.state() for tier in self._tiers],
        }

    def _go_on(self) -> None:
        """Goes on from the checkpoint, and from what the store has kept since."""
        path = self._place.folder / CHECKPOINT_FILE
        try:
            if path.exists():
                self._restore(read_checkpoint(path))
        except Exception as error:  # whatever a damaged state makes of a tier
            self._note = f"learning began anew, for {path} cannot be read: {error}"
            self._begin()
        self._proposals.count_up()
        self._drive()
        rows = self._keeper.since(self._number) if self._number >= 0 else None
        if rows is not None and not self._tier.needs_signals:
            self._steps += len(rows.number)
            self._number = int(rows.number[-1])
            self._returns.add(rows)
            self._propose(self._tier, self._tier.take(rows))

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._steps, self._number = int(state["steps"]), int(state["number"])
        if state.get("feed") != self._job.feed:  # another run, which counts from 0 again
            self._number = -1
        self._turn, self._saved = int(state["turn"]), int(state["steps"])
        self._returns.restore(state["returns"])
        self._proposals.restore(state["proposals"])
        for tier, of in zip(self._tiers, state["tiers"], strict=True):
            tier.restore(of)

    def _report(self, paused: str = "") -> None:
        progress = {
            "seconds": round(self._steps * self._period, 3),
            "tier": self._tier.name,
            "progress": {tier.name: dict(tier.progress()) for tier in self._tiers},
            "proposals": self._proposals.newest,
            "return_per_minute": self._returns.minutes,
            "falls": self._returns.falls,
            "ticks_lost": self._feed.lost,
            "store": self._keeper.failure,
            "paused": paused,
            "note": self._note,
        }
        try:
            self._place.report(progress)
        except (UserError, ValueError):  # a full disk is named by the checkpoint
            return


def selected(rows: Rows, mask: Bool) -> Rows:
    """Returns the rows that a mask (T,) names."""
    if mask.all():
        return rows
    names = [f.name for f in fields(rows) if f.name != "signals"]
    changes: dict[str, Any] = {n: getattr(rows, n)[mask] for n in names if len(getattr(rows, n))}
    signals = {name: values[mask] for name, values in rows.signals.items()}
    return replace(rows, signals=signals, **changes)
