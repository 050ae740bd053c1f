"""Takes a policy back that was promoted, if it soon trips, misses its deadlines or does worse."""

import math
from dataclasses import dataclass

from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.handover import Reserve
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.controller import Controller
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.envelope import OF_OTHERS, described, named, trips
from edge_runtime.slots.records import (
    PROBATION,
    PROBATION_ENDS,
    ROLLED_BACK,
    RUN_ENDED,
    Note,
    change,
    named_policy,
    no_note,
)
from edge_runtime.slots.verdict import Score, Tally, score_of

_RECENT = 2  # windows in which a drop is looked for


@dataclass(frozen=True)
class ProbationConfig:
    """Sets how long, and for what, a promoted policy is taken back by itself."""

    seconds: float = setting(
        60.0, "How long it lasts; 0 for no probation.", "s", at_least=0, at_most=LONGEST
    )
    window_seconds: float = setting(
        5.0, "Time over which misses are counted and scores averaged.", "s", above=0, at_most=600
    )
    misses: int = setting(
        3, "Periods that it may miss in such a time.", at_least=0, at_most=1_000_000
    )
    drop_errors: float = setting(
        3.0, "Standard errors by which the score must drop.", at_least=0, infinite=True
    )
    drop_share: float = setting(
        0.3, "Share of the score before by which the score must drop.", at_least=0, infinite=True
    )
    action: float = setting(
        10.0,
        "The largest action that is followed, as a multiple of the contract's clip.",
        above=0,
        at_most=1e6,
    )


class Probation:
    """Observes a policy after its promotion, and lets the one before drive again if need be.

    Args:
        loop: the loop that it drives.
        old: the controller to go back to, bound to that loop.
        new: the policy that was promoted.
        config: how long, and for what it is taken back.
        before: the scores of the old one; without slices, a drop is not looked for.
        score: the score of a tick, or None.
        note: records what happens.
    """

    def __init__(
        self,
        loop: ControlLoop,
        old: Controller,
        new: Policy,
        config: ProbationConfig,
        before: Tally | None = None,
        score: Score | None = None,
        note: Note = no_note,
    ) -> None:
        self.old, self.new = old.policy, new
        self._loop, self._back, self._config = loop, old, config
        self._before, self._score, self._note = before or Tally(), score, note
        period = loop.period * 1e-9
        self._left = math.ceil(config.seconds / period)  # ticks
        self._window = max(1, round(config.window_seconds / period))  # ticks
        self._tally, self._missed = Tally(), 0
        self._reserve: Reserve[Controller] | None = None  # once it has begun
        self.over = not self._left
        self.why = ""  # why it was rolled back; empty if it was not

    @property
    def promoted(self) -> bool:
        """Returns whether the new policy is the one to drive."""
        return not self.why

    def end(self, why: str) -> None:
        """Ends the probation, because an operator has decided."""
        self._end(why)

    def observe(self, tick: Tick) -> None:
        """Takes in a tick, and takes the policy back if it must be."""
        if self.over:
            return
        try:
            self._observe(tick)
        except Exception as error:  # without it, nobody would watch the policy
            self._roll_back(f"the probation failed: {type(error).__name__}: {error}")

    def _observe(self, tick: Tick) -> None:
        reserve = self._reserve
        loop = self._loop
        if tick is not loop.last_tick or loop.stopping or loop.error is not None:
            self._end(RUN_ENDED)
        elif tick.policy is self.new:
            self._take(tick)
        elif reserve is not None and reserve.called_for is not None:
            self._roll_back(described(reserve.called_for))
        elif reserve is not None:
            self._end("another policy drives")

    def _take(self, tick: Tick) -> None:
        if self._reserve is None:
            self._reserve = Reserve(self._back, self._config.action)
            self._loop.succession.reserve = self._reserve
            return  # what was missed before is not its own
        found = trips(tick)
        own = [fault for fault in found if fault not in OF_OTHERS]
        self._missed += tick.missed
        if own:
            self._roll_back(named(own[0]))
        elif self._missed > self._config.misses:
            self._roll_back(f"it missed {self._missed} periods")
        elif not found:
            self._count(tick)

    def _count(self, tick: Tick) -> None:
        self._tally.add(score_of(self._score, tick))
        self._left -= 1
        if self._tally.ticks % self._window == 0:
            self._missed = 0
            self._tally.end_slice()
            if len(self._tally.slices) >= _RECENT:
                self._compare(Tally(self._tally.slices[-_RECENT:]))
        if self._left <= 0 and not self.over:
            self._end("it has passed")

    def _compare(self, now: Tally) -> None:
        before, config = self._before, self._config
        # By the spread before: that of a score which is just dropping says nothing of its noise.
        error = before.spread * math.sqrt(1 / _RECENT + 1 / max(1, len(before.slices)))
        largest = max(config.drop_errors * error, config.drop_share * abs(before.mean))
        if before.mean - now.mean > largest:
            self._roll_back(f"its score is {now.described()}, {before.described()} before")

    def _roll_back(self, why: str) -> None:
        self.why, self.over = why, True
        self._loop.succession.choose(self._back)
        self._note(ROLLED_BACK, change(PROBATION, self.old, self.new, why))

    def _end(self, why: str) -> None:
        if not self.over:
            self.over = True
            self._loop.succession.reserve = None
            self._note(PROBATION_ENDS, {"policy": named_policy(self.new), "why": why})
