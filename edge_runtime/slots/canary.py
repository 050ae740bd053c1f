"""Lets a policy drive as a canary: for a short time, in turn with the one that is trusted.

Within minutes on one robot only trips and large drops show. What is smaller than a few standard
errors of the slices' scores is not seen; the verdict says how much that is.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from edge_runtime.config.fields import setting
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.handover import Reserve
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.controller import Controller
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.envelope import (
    OF_OTHERS,
    Envelope,
    EnvelopeConfig,
    described,
    is_slow,
    named,
    trips,
)
from edge_runtime.slots.probation import Probation, ProbationConfig
from edge_runtime.slots.records import (
    CANARY,
    CANARY_BEGINS,
    CANARY_ENDS,
    OPERATOR,
    PROMOTED,
    RUN_ENDED,
    Note,
    change,
    no_note,
)
from edge_runtime.slots.verdict import CanaryVerdict, Outcome, Score, Tally, score_of, seen_drop


@dataclass(frozen=True)
class CanaryConfig:
    """Sets how long a policy drives as a canary, how far it may go, and what it must reach."""

    slice_seconds: float = setting(
        5.0, "How long one policy drives before the other does.", "s", above=0, at_most=600
    )
    slices: int = setting(6, "How often each of the two drives.", at_least=2, at_most=1000)
    settle_seconds: float = setting(
        1.0,
        "Time at the beginning of a slice that does not count in the score, for the robot still "
        "moves as the policy before left it.",
        "s",
        at_least=0,
        at_most=600,
    )
    misses: int = setting(
        3,
        "Periods that it may miss beyond those that the policy before has missed.",
        at_least=0,
        at_most=1_000_000,
    )
    drop_errors: float = setting(
        3.0,
        "Standard errors, from slice to slice, by which the score must drop to be refused.",
        at_least=0,
        infinite=True,
    )
    drop_share: float = setting(
        0.1,
        "Share of the score before by which the score must drop to be refused.",
        at_least=0,
        infinite=True,
    )
    envelope: EnvelopeConfig = field(default_factory=EnvelopeConfig)
    probation: ProbationConfig = field(default_factory=ProbationConfig)

    @property
    def seconds(self) -> float:
        """Returns how long a canary takes, s, without the probation after it."""
        return 2 * self.slices * self.slice_seconds


class Canary:
    """Observes a loop, and lets two policies drive in turn until one is found to be the better.

    The tick in which the new one's action is not finite, or too large, is driven by the old one
    already. From the tick on that follows a reaction of the guard, or one in which the robot has
    left the envelope, the old one drives. Ticks are the clock, so it works in lockstep too.

    Args:
        loop: the loop; its policy is the old one.
        policy: the new one.
        config: how long, how far.
        score: the score of a tick, or None; larger is better. The loop's thread calls it.
        note: records what happens.
        asked_by: who asks for it, for the record.

    Raises:
        ContractError: the policy does not fit the robot or the running loop.
    """

    def __init__(
        self,
        loop: ControlLoop,
        policy: Policy,
        config: CanaryConfig = CanaryConfig(),
        score: Score | None = None,
        note: Note = no_note,
        asked_by: str = OPERATOR,
    ) -> None:
        self.old, self.new = loop.controller.policy, policy
        self._loop, self._config, self._score, self._note = loop, config, score, note
        self._trusted = loop.controller
        self._tried = loop.controller_for(policy, loop.signals)
        period = loop.period * 1e-9
        self._slice = max(1, round(config.slice_seconds / period))  # ticks
        self._settle = min(self._slice - 1, round(config.settle_seconds / period))  # ticks
        self._envelope = Envelope(config.envelope, loop)
        self._tallies = Tally(), Tally()  # of the old one and of the new one
        self.probation = Probation(
            loop, self._trusted, policy, config.probation, self._tallies[0], score, note
        )
        self._turn = 0  # slices that have ended; the old one has the first
        self._step = 0  # ticks of this slice
        self._last_new = False  # whether the new one drove in the tick before
        self._reserve: Reserve[Controller] | None = None  # while the new one has its turn
        self.verdict: CanaryVerdict | None = None  # once it has ended
        self._undecided = deque([True])  # emptied by the thread that ends the canary
        self._decided = threading.Event()
        note(CANARY_BEGINS, change(asked_by, policy, self.old))

    @property
    def promoted(self) -> bool:
        """Returns whether the new policy is the one to drive from here on."""
        good = self.verdict is not None and self.verdict.outcome is Outcome.GOOD
        return good and self.probation.promoted

    @property
    def why(self) -> str:
        """Returns why the new policy was not kept; empty while it may be."""
        if self.promoted or self.verdict is None:
            return ""
        return self.probation.why or self.verdict.why

    @property
    def over(self) -> bool:
        """Returns whether nothing is tried any more, the probation included."""
        return self.verdict is not None and (not self.promoted or self.probation.over)

    def wait(self, timeout: float | None = None) -> CanaryVerdict | None:
        """Waits for the verdict; any thread but the loop's may call this.

        Args:
            timeout: s to wait at most; None for any time.

        Returns:
            The verdict, after which a good policy is on probation; None if there is none yet.
        """
        self._decided.wait(timeout)
        return self.verdict

    def end(self, why: str) -> None:
        """Ends the canary or its probation, because an operator has decided who drives."""
        if self.verdict is None:
            self._conclude(Outcome.UNDECIDED, why, OPERATOR)
        elif self.promoted:
            self.probation.end(why)

    def take_back(self) -> None:
        """Lets the old policy drive from the next start on, where no thread runs the loop."""
        self._loop.succession.choose(self._trusted)
        self._loop.hand_over()

    def observe(self, tick: Tick) -> None:
        """Takes in a tick, and decides who drives the next one."""
        if self.verdict is not None:
            if self.promoted:
                self.probation.observe(tick)
            return
        try:
            self._observe(tick)
        except Exception as error:  # without it, nobody would watch the policy
            self._hand_back(Outcome.UNDECIDED, f"it failed: {type(error).__name__}: {error}")

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry: the verdict, and why the policy was rolled back after it."""
        verdict = None if self.verdict is None else self.verdict.as_dictionary()
        return {"verdict": verdict, "rolled_back_on_probation": self.probation.why or None}

    def described(self) -> str:
        """Describes in one line how the canary ended."""
        if self.verdict is None:
            return f"{self.new.source}: no verdict yet"
        later = f"; rolled back on probation: {self.probation.why}" if self.probation.why else ""
        return f"{self.verdict.described()}{later}"

    def _observe(self, tick: Tick) -> None:
        new, due = tick.policy is self.new, self._turn % 2 == 1
        reserve = self._reserve
        if due and not new and reserve is not None and reserve.called_for is not None:
            self._hand_back(Outcome.BAD, described(reserve.called_for))
        elif tick is not self._loop.last_tick or tick.policy is not (self.old, self.new)[due]:
            self._conclude(Outcome.UNDECIDED, "another policy drives")
        elif self._loop.stopping or self._loop.error is not None:
            self._hand_back(Outcome.UNDECIDED, RUN_ENDED)
        else:
            self._take(tick, new)

    def _take(self, tick: Tick, new: bool) -> None:
        self._tallies[self._last_new].missed += tick.missed
        self._last_new = new
        self._envelope.follow(tick)
        settled = self._step >= self._settle
        # Where the old one has just taken over, the robot still moves as the new one left it.
        answers = new or (self._turn > 0 and not settled)
        if faults := trips(tick):
            self._tallies[answers].trips += 1
            own = [fault for fault in faults if fault not in OF_OTHERS]
            if answers and own:
                self._hand_back(Outcome.BAD, named(own[0]))
            elif new or self._loop.guard.latched:
                self._hand_back(Outcome.UNDECIDED, named(faults[0]))
        elif new and (why := self._fault(tick, settled)):
            self._tallies[1].trips += 1
            self._hand_back(Outcome.BAD, why)
        else:
            if not new and (settled or not self._turn):
                self._envelope.widen()
            self._count(tick, self._tallies[new], settled)

    def _fault(self, tick: Tick, settled: bool) -> str:
        """Returns what the new policy did that it must not; empty if nothing."""
        before, now = self._tallies
        if now.missed > before.missed + self._config.misses:
            return f"it missed {now.missed} periods, the policy before {before.missed}"
        if settled and is_slow(tick):
            return "its network often takes more than its share of the period"
        return self._envelope.left()

    def _count(self, tick: Tick, tally: Tally, settled: bool) -> None:
        if settled:
            tally.add(score_of(self._score, tick))
        self._step += 1 + tick.missed
        if self._step < self._slice:
            return
        tally.end_slice()
        self._step, self._turn = 0, self._turn + 1
        if self._turn == 2 * self._config.slices:
            self._judge()
        elif self._turn % 2:
            self._reserve = Reserve(self._trusted, self._config.envelope.action)
            self._loop.succession.choose(self._tried)
            self._loop.succession.reserve = self._reserve
        else:
            self._loop.succession.choose(self._trusted)

    def _judge(self) -> None:
        before, now = self._tallies
        if before.mean - now.mean > self._smallest_drop():
            self._hand_back(
                Outcome.BAD, f"its score is {now.described()}, {before.described()} before"
            )
            return
        why = "no fault, and no large drop" if now.slices else "no fault"
        if self._conclude(Outcome.GOOD, why):
            self._note(PROMOTED, change(CANARY, self.new, self.old))

    def _smallest_drop(self) -> float:
        return seen_drop(*self._tallies, self._config.drop_errors, self._config.drop_share)

    def _hand_back(self, outcome: Outcome, why: str) -> None:
        if self._conclude(outcome, why):
            self._loop.succession.choose(self._trusted)

    def _conclude(self, outcome: Outcome, why: str, by: str = CANARY) -> bool:
        """Keeps and records the verdict; returns False if there is one already."""
        try:
            self._undecided.pop()
        except IndexError:
            return False
        self.verdict = CanaryVerdict(
            outcome, why, self.new.source, self.new.sha256, *self._tallies, self._smallest_drop()
        )
        self._decided.set()
        self._note(CANARY_ENDS, {"by": by, **self.verdict.as_dictionary()})
        return True
