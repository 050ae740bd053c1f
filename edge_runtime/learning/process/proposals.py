"""Keeps which policies a learner has proposed, and which of them drives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_runtime.learning.process.workplace import Workplace
from edge_runtime.learning.tier import Proposal


@dataclass(frozen=True)
class Judged:
    """Says what became of a proposal, and whether another policy drives since."""

    tier: str
    proposal: Proposal
    good: bool
    why: str
    changes_driver: bool


class Proposals:
    """Numbers proposals from 1, and hears what became of them; 0 is the policy of the beginning.

    Args:
        place: where they are left.
        model: the file of the policy that drives first.
    """

    def __init__(self, place: Workplace, model: bytes) -> None:
        self._place, self._model = place, model
        self.newest = 0
        self.waiting = 0  # the proposal without a verdict; 0 for none
        self._verdicts = 0  # number of the newest verdict
        self._drivers = [0]  # proposals that were found good, the one that drives last

    @property
    def driver(self) -> bytes:
        """Returns the file of the policy that drives.

        Raises:
            UserError: it cannot be read any more.
        """
        number = self._drivers[-1]
        return self._place.model(number) if number else self._model

    def make(self, tier: str, proposal: Proposal) -> None:
        """Proposes a policy.

        Raises:
            UserError: it cannot be written.
        """
        self.newest += 1
        self._place.propose(self.newest, tier, proposal)
        self.waiting = self.newest

    def news(self) -> list[Judged]:
        """Returns what was judged since the last time.

        Raises:
            UserError: a verdict or its proposal cannot be read.
        """
        found = []
        for number, verdict in self._place.verdicts(self._verdicts):
            self._verdicts = number
            if verdict.proposal == self.waiting:
                self.waiting = 0
            changes = verdict.good != (verdict.proposal in self._drivers)
            if changes and verdict.good:
                self._drivers.append(verdict.proposal)
            elif changes:
                self._drivers.remove(verdict.proposal)
            _, note = self._place.proposals(verdict.proposal - 1)[0]
            proposal = Proposal(self._place.model(verdict.proposal), note.why, note.numbers)
            found.append(Judged(note.tier, proposal, verdict.good, verdict.why, changes))
        return found

    def state(self) -> dict[str, Any]:
        """Returns what a continuation needs; the policies stay where they are."""
        known = {"newest": self.newest, "waiting": self.waiting, "verdicts": self._verdicts}
        return {**known, "drivers": list(self._drivers)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores a state that `state` returned, and counts what was proposed after it."""
        self.newest, self.waiting = int(state["newest"]), int(state["waiting"])
        self._verdicts, self._drivers = int(state["verdicts"]), [int(n) for n in state["drivers"]]
        self.count_up()

    def count_up(self) -> None:
        """Counts the proposals that a learner has made which was killed before its checkpoint.

        Raises:
            UserError: one cannot be read.
        """
        for number, _ in self._place.proposals(self.newest):
            self.newest = self.waiting = number
