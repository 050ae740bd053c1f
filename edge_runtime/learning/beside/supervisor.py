"""Tries what a learner proposes: checked, in shadow, as a canary; and starts the learner again."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError
from edge_runtime.learning.beside.child import LearnerChild
from edge_runtime.learning.beside.limits import Limits
from edge_runtime.learning.feed.exploration import CalmExploration
from edge_runtime.learning.process.workplace import ProposalNote, VerdictNote, Workplace
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.canary import Canary, CanaryConfig
from edge_runtime.slots.envelope import EnvelopeConfig
from edge_runtime.slots.policy_slots import PolicySlots
from edge_runtime.slots.probation import ProbationConfig
from edge_runtime.slots.records import Note, no_note
from edge_runtime.slots.slot_folder import SlotFolder
from edge_runtime.slots.verdict import Outcome, Score

_LEARNER = "learner"  # who asks, for the audit log
PROMOTED = "promoted"
_TRIES = 3  # of a proposal whose canary says nothing of it


def _default_canary() -> CanaryConfig:
    return CanaryConfig(
        slice_seconds=3.0,
        slices=3,
        settle_seconds=0.5,
        # A trained policy's actions may be twice the clip; the guard and the tilt bound the rest.
        envelope=EnvelopeConfig(action=6.0),
        probation=ProbationConfig(seconds=20.0),
    )


@dataclass(frozen=True)
class TrialConfig:
    """Sets how a proposal is tried before it is trusted."""

    shadow: float = setting(2.0, "How long it runs in shadow.", "s", at_least=0, at_most=3600)
    canary: CanaryConfig = field(default_factory=_default_canary)
    hang: float = setting(
        120.0, "Time without news of the learner after which it is started anew.", "s", above=0
    )
    restarts: int = setting(5, "Starts of the learner within a minute, at most.", at_least=1)


@dataclass
class Trial:
    """Holds a proposal and what became of it."""

    number: int
    note: ProposalNote
    at: float  # s of driving, when it came
    outcome: str = "in shadow"  # or "canary", "promoted", "refused", "rolled back"
    why: str = ""
    tries: int = 0
    policy: Policy | None = None  # while it is tried
    since: int = 0  # tick from which on it is in shadow
    canary: Canary | None = None

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry."""
        canary = None if self.canary is None else self.canary.as_dictionary()
        return {
            "number": self.number,
            "tier": self.note.tier,
            "proposal": self.note.why,
            "numbers": dict(self.note.numbers),
            "sha256": self.note.sha256,
            "after_seconds": round(self.at, 3),
            "outcome": self.outcome,
            "why": self.why,
            "canary": canary,
        }

    def described(self) -> str:
        """Describes the trial in one line."""
        why = f": {self.why}" if self.why else ""
        return f"{self.number} ({self.note.tier}, {self.note.why}) {self.outcome}{why}"


class Supervisor:
    """Supervises a learner and what it proposes, one proposal after the other.

    `look` does what is due and never waits long; `start` calls it in a thread of its own. A robot
    in lockstep calls it between two ticks instead.

    Args:
        session: the session, before its start.
        slots: the session's policies.
        place: where the learner leaves its proposals.
        config: how they are tried.
        limits: when learning pauses.
        make_score: makes the score of a canary's ticks; returns None for none.
        calm: pauses the exploration when learning pauses; None if nothing is explored.
        folder: the slots on the robot's disk, which follow; None for none.
        note: records what happens.
        changing: guards changes of policies, where an operator makes some too; None without one.
    """

    def __init__(
        self,
        session: Session,
        slots: PolicySlots,
        place: Workplace,
        config: TrialConfig,
        limits: Limits,
        make_score: Callable[[], Score | None] = lambda: None,
        calm: CalmExploration | None = None,
        folder: SlotFolder | None = None,
        note: Note = no_note,
        changing: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._changing = changing or nullcontext()
        self._session, self._slots, self._place = session, slots, place
        self._config, self._limits, self._make_score = config, limits, make_score
        self._calm, self._folder, self._note = calm, folder, note
        self.child = LearnerChild(place.folder, config.restarts)
        self.trials: list[Trial] = []
        self._trial: Trial | None = None  # that is tried now
        self._promoted: Trial | None = None  # that may still be rolled back
        # After a start anew, what was judged is not tried again.
        verdicts = place.verdicts(0)
        self._verdicts = max((number for number, _ in verdicts), default=0)
        self._judged = max((verdict.proposal for _, verdict in verdicts), default=0)
        self.progress: dict[str, Any] = {}  # that the learner reported last
        self._news = time.monotonic()  # s, when it reported something new
        self.failure = ""  # of a look; learning goes on
        self.stopped = ""  # by whom or what learning was stopped; empty while it goes on
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, every: float = 0.2) -> None:
        """Looks every so many seconds in a thread of its own; call it before the session starts."""
        self._thread = threading.Thread(
            target=self._run, args=(every,), name="learning", daemon=True
        )
        self._thread.start()

    def look(self) -> None:
        """Does what is due: of the learner, its limits, and the proposal that is tried."""
        self.child.look()
        self._watch_learner()
        with self._changing:
            self._watch_promoted()
            if self._trial is None:
                self._next_proposal()
            elif self._trial.canary is None:
                self._end_shadow(self._trial)
            elif self._trial.canary.verdict is not None:
                self._end_canary(self._trial, self._trial.canary)

    def rest(self) -> None:
        """Ends trials and exploration, so that a trusted policy brings the robot to rest.

        Raises:
            UserError: the loop does not tick.
        """
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        if self._calm is not None:
            self._calm.paused = True
        with self._changing:
            self._slots.end_canary()

    def close(self) -> None:
        """Ends the learner's process; call it after the session has ended."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self.child.close()
        with suppress(UserError):
            self.progress = self._place.progress() or self.progress
        trial = self._trial
        if trial is not None and not trial.why:
            trial.outcome, trial.why = "not decided", "the run ended"

    @property
    def state(self) -> str:
        """Returns in a few words what the learner does."""
        if self.child.failure:
            return f"ended: {self.child.failure}"
        if self._limits.why:
            return f"paused: {self._limits.why}"
        trial = self._trial
        return "learning" if trial is None else f"learning, {trial.outcome} {trial.number}"

    @property
    def learned(self) -> bytes | None:
        """Returns the file of the policy that was promoted last and drives on; None without one."""
        for trial in reversed(self.trials):
            if trial.outcome == PROMOTED:
                return self._place.model(trial.number)
        return None

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry."""
        return {
            "state": self.state,
            "progress": self.progress,
            "proposals": [trial.as_dictionary() for trial in self.trials],
            "return_per_minute": self.progress.get("return_per_minute", []),
            "paused": self._limits.why,
            "restarts": self.child.restarts,
            "failure": self.failure,
        }

    # -- the learner -----------------------------------------------------------------------

    def _run(self, every: float) -> None:
        while not self._ending.wait(every):
            try:
                self.look()
                self.failure = ""
            except UserError as error:
                self.failure = str(error)
            except Exception as error:  # the robot drives on, and people see why it learns no more
                self.failure = f"{type(error).__name__}: {error}"

    def _watch_learner(self) -> None:
        now = time.monotonic()
        if self._limits.look():
            self._place.set_pause(self._limits.why)
            event = "learning paused" if self._limits.why else "learning goes on"
            self._note(event, {"why": self._limits.why})
        if self._calm is not None:
            self._calm.paused = bool(self._limits.why or self.child.failure)
        progress = self._place.progress()
        if progress and progress != self.progress:
            self.progress, self._news = progress, now
        if now - self._news > self._config.hang and self.child.pid:
            self.child.kill()
            self._news = now

    # -- proposals -------------------------------------------------------------------------

    def _next_proposal(self) -> None:
        newest = self.trials[-1].number if self.trials else self._judged
        for number, note in self._place.proposals(newest)[:1]:
            loop = self._session.loop
            trial = Trial(number, note, loop.ticks * loop.period * 1e-9)
            self.trials.append(trial)
            self._note("learner proposes", {"by": _LEARNER, "sha256": note.sha256, "why": note.why})
            self._trial = trial
            self._begin_shadow(trial)

    def _begin_shadow(self, trial: Trial) -> None:
        trial.tries += 1
        trial.canary, trial.outcome = None, "in shadow"
        try:
            model = self._place.model(trial.number)
            trial.policy = Policy(model, f"{trial.note.tier} proposal {trial.number}")
            if trial.policy.sha256 != trial.note.sha256:
                raise UserError(f"proposal {trial.number} is damaged")
            self._slots.shadow(trial.policy)
        except UserError as error:  # ContractError too
            self._refuse(trial, str(error))
            return
        trial.since = self._session.loop.ticks

    def _end_shadow(self, trial: Trial) -> None:
        loop = self._session.loop
        if (loop.ticks - trial.since) * loop.period * 1e-9 < self._config.shadow:
            return
        found = self._slots.comparison()
        if found is not None and (found.not_finite or found.failure):
            self._slots.drop()
            self._refuse(trial, f"in shadow: {found.failure or 'actions that are not finite'}")
            return
        if loop.guard.latched or loop.stopping or not loop.ticks:
            return  # nobody drives that it could take turns with
        score = self._make_score()
        try:
            trial.canary = self._slots.canary(trial.policy, self._config.canary, score, _LEARNER)
            trial.outcome = "canary"
        except UserError as error:
            self._slots.drop()
            self._refuse(trial, str(error))

    def _end_canary(self, trial: Trial, canary: Canary) -> None:
        verdict = canary.verdict
        assert verdict is not None
        if verdict.outcome is Outcome.UNDECIDED and trial.tries < _TRIES:
            if not self._session.loop.stopping:
                self._begin_shadow(trial)
            return
        if verdict.outcome is not Outcome.GOOD:
            self._refuse(trial, verdict.why)
            return
        trial.outcome, trial.why = PROMOTED, verdict.why
        self._trial, self._promoted = None, trial
        self._judge(trial, True, verdict.why)

    def _watch_promoted(self) -> None:
        trial = self._promoted
        if trial is None or trial.canary is None:
            return
        if not trial.canary.promoted:
            trial.outcome, trial.why = "rolled back", trial.canary.why
            self._promoted = None
            self._judge(trial, False, f"rolled back on probation: {trial.why}")
        elif trial.canary.over:
            self._promoted = None
            self._to_folder(trial)

    def _to_folder(self, trial: Trial) -> None:
        """Brings a policy whose probation is over into the slots on the disk, for the next start.

        Where no policy is good yet, the one that the learner began with comes first, so that there
        is one to go back to. What an operator has made pending stays.
        """
        if self._folder is None:
            return
        try:
            if not self._folder.exists() or self._folder.status().good is None:
                self._folder.install(self._place.first_policy(), _LEARNER)
            if self._folder.status().pending is not None:
                raise UserError("another policy is pending there")
            self._folder.install(
                self._place.model(trial.number), _LEARNER, f"proposal {trial.number}"
            )
            self._folder.confirm(_LEARNER, trial.note.sha256)
        except UserError as error:
            trial.why += f"; not in the slots' folder: {error}"

    def _refuse(self, trial: Trial, why: str) -> None:
        trial.outcome, trial.why = "refused", why
        self._trial = None
        self._note("learner refused", {"by": _LEARNER, "sha256": trial.note.sha256, "why": why})
        self._judge(trial, False, why)

    def _judge(self, trial: Trial, good: bool, why: str) -> None:
        trial.policy = None
        self._verdicts += 1
        self._place.judge(self._verdicts, VerdictNote(trial.number, good, why))
