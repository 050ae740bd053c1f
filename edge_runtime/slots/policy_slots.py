"""Keeps the policies of a session: the one that drives, one that is tried, in shadow or as a
canary, and those that drove before."""

from contextlib import suppress

from edge_runtime.errors import UserError
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.canary import Canary, CanaryConfig
from edge_runtime.slots.comparison import Comparison
from edge_runtime.slots.probation import Probation, ProbationConfig
from edge_runtime.slots.records import (
    OPERATOR,
    PROMOTED,
    ROLLED_BACK,
    RUN_ENDED,
    Note,
    change,
    no_note,
)
from edge_runtime.slots.shadow import POLL_SECONDS, Shadow
from edge_runtime.slots.verdict import Score

_KEPT = 8  # policies that drove before and can be rolled back to


class PolicySlots:
    """Loads policies, tries one in shadow and as a canary, promotes it, and rolls back.

    One thread at a time calls the methods. A call that raises has changed nothing. While a canary
    takes turns with the policy before it, that one counts as the driver, and whatever lets another
    policy drive ends the canary.

    Args:
        session: the session, before its start, so that the shadow's thread gets its priority.
        every: s between two reads of the shadow's ring.
        note: records who let which policy drive, and why, as `AuditWatch.note` does.
    """

    def __init__(self, session: Session, every: float = POLL_SECONDS, note: Note = no_note) -> None:
        self._session, self._note = session, note
        self._before: list[Policy] = []  # the newest last
        self._shadow = Shadow(session, every)
        self._trial: Canary | Probation | None = None  # that was not concluded yet
        self.last_canary: Canary | None = None  # with its verdict, once it has one

    @property
    def driver(self) -> Policy:
        """Returns the policy that drives; while a canary is tried, the one before it."""
        trial, policy = self._trial, self._session.policy
        if trial is None or policy not in (trial.old, trial.new):
            return policy
        return trial.new if trial.promoted else trial.old

    @property
    def is_trying(self) -> bool:
        """Returns whether a canary takes turns with the policy before it."""
        return isinstance(self._trial, Canary) and self._trial.verdict is None

    @property
    def shadowed(self) -> Policy | None:
        """Returns the policy in shadow; None without one."""
        return self._shadow.policy

    def load(self, policy: Policy, timeout: float = 5.0) -> None:
        """Lets a policy drive, untried, from the next tick or start on; the shadow stays.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: it drives already or did before, or the loop did not take it within
                `timeout` s.
        """
        self._check_unused(policy)
        self._let_drive(policy, timeout)

    def shadow(self, policy: Policy) -> None:
        """Puts a policy in shadow, in place of the one that is there.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: it drives already or did before.
        """
        self._check_unused(policy)
        self._shadow.load(policy)

    def drop(self) -> None:
        """Empties the shadow's slot."""
        self._shadow.drop()

    def canary(
        self,
        policy: Policy | None = None,
        config: CanaryConfig | None = None,
        score: Score | None = None,
        asked_by: str = OPERATOR,
    ) -> Canary:
        """Lets a policy take turns with the driver until one of them is kept.

        That happens by itself, tick by tick: after a good verdict the new policy drives on, on
        probation; else the one before does. Any thread may wait for the verdict.

        Args:
            policy: the policy, loaded for this; None for the one in shadow.
            config: how long, how far, and what the policy must reach; the defaults if None.
            score: the score of a tick, larger is better; None to look for faults alone. The loop's
                thread calls it in each tick, so it must be fast.
            asked_by: who asks for it, for the record.

        Raises:
            ContractError: it does not fit the robot or the running loop.
            UserError: it drives already or did, none is in shadow or it gave actions that are not
                finite, another canary drives already, or no policy drives.
        """
        loop = self._session.loop
        if self.is_trying:
            raise UserError("a canary drives already; roll it back, or wait for its verdict")
        if loop.stopping or loop.error or not loop.ticks:
            raise UserError("no policy drives yet, so there is none to take turns with")
        if loop.guard.latched:
            raise UserError("the guard has stopped the robot; reset it before a canary")
        if policy is None or policy is self._shadow.policy:
            with self._shadow.handing_over() as shadowed:
                return self._begin(shadowed, config, score, asked_by)
        self._check_unused(policy)
        return self._begin(policy, config, score, asked_by)

    def promote(self, timeout: float = 5.0, probation: ProbationConfig | None = None) -> None:
        """Lets the policy drive from the next tick on that is a canary, or else in shadow.

        Args:
            timeout: s to wait for that tick.
            probation: how long, and for what it is rolled back by itself; None for never.

        Raises:
            UserError: there is none, it gave actions that are not finite, or the loop did not
                take it within `timeout` s.
        """
        if self.is_trying and self._trial is not None:
            trial = self._trial
            self._conclude("promoted before its end")
            self._let_drive(trial.new, timeout, probation, trial.old)
            return
        with self._shadow.handing_over() as policy:
            self._let_drive(policy, timeout, probation)

    def roll_back(self, timeout: float = 5.0) -> None:
        """Lets the policy drive that did before the canary, or before the last `load` or `promote`.

        Raises:
            UserError: there is none, the new one was rolled back by itself and that was not asked
                for yet, or the loop did not take it within `timeout` s.
        """
        trial = self._trial
        if self.is_trying and trial is not None:
            self._conclude("rolled back before its end")
            self._session.swap(trial.old, timeout)
            self._note(ROLLED_BACK, change(OPERATOR, trial.old, trial.new))
            return
        self._conclude("rolled back")
        if trial is not None and not trial.promoted:
            raise UserError(f"{trial.new.source} was rolled back already: {trial.why}")
        if not self._before:
            raise UserError("no other policy drove before, so there is none to go back to")
        driver = self.driver
        self._session.swap(self._before[-1], timeout)
        self._note(ROLLED_BACK, change(OPERATOR, self._before.pop(), driver))

    def end_canary(self, why: str = RUN_ENDED, timeout: float = 5.0) -> None:
        """Lets the policy before a canary drive again, as before the robot comes to rest.

        Args:
            why: why it ends, for the verdict.
            timeout: s to wait for the tick.

        Raises:
            UserError: the loop did not take it within `timeout` s.
        """
        trial, loop = self._trial, self._session.loop
        if isinstance(trial, Canary) and trial.verdict is None:
            self._conclude(why)
            if loop.running:
                loop.swap(trial.old, timeout)
            else:
                trial.take_back()

    def comparison(self) -> Comparison | None:
        """Compares the policy in shadow, or the last one there, with the driver; None without."""
        return self._shadow.comparison()

    def settle(self) -> None:
        """Ends what is tried, after the loop's end; a policy that was promoted is kept."""
        with suppress(UserError):  # a loop whose driver hangs takes no other policy
            self.end_canary()
        self._conclude(RUN_ENDED)

    def close(self) -> None:
        """Ends what is tried, and the shadow's thread; call it after the session has ended."""
        self.settle()
        self._shadow.close()

    def _check_unused(self, policy: Policy) -> None:
        """Refuses a policy that is in use: its buffers serve one controller at a time."""
        trial = self._trial
        tried = () if trial is None else (trial.old, trial.new)
        if policy in (self._session.policy, *self._before, *tried):
            raise UserError(f"{policy.source}: it drives or did; load the file once more")

    def _let_drive(
        self,
        policy: Policy,
        timeout: float,
        probation: ProbationConfig | None = None,
        before: Policy | None = None,
    ) -> None:
        before = before or self.driver
        self._session.swap(policy, timeout)
        self._conclude("another policy was loaded")
        self._note(PROMOTED, change(OPERATOR, policy, before))
        loop = self._session.loop
        if probation is None or not loop.running:
            self._keep(before)
        else:
            back = loop.controller_for(before, loop.signals)
            self._watch(Probation(loop, back, policy, probation, note=self._note))

    def _begin(
        self, policy: Policy, config: CanaryConfig | None, score: Score | None, asked_by: str
    ) -> Canary:
        canary = Canary(
            self._session.loop, policy, config or CanaryConfig(), score, self._note, asked_by
        )
        self._conclude("another canary was begun")
        self.last_canary = canary
        self._watch(canary)
        return canary

    def _watch(self, trial: Canary | Probation) -> None:
        self._trial = trial
        self._session.loop.add_observer(trial)

    def _conclude(self, why: str) -> None:
        """Ends what is tried, because an operator decides who drives; keeps what it replaced."""
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.end(why)
            self._session.loop.remove_observer(trial)
            if trial.promoted:
                self._keep(trial.old)

    def _keep(self, policy: Policy) -> None:
        self._before.append(policy)
        del self._before[:-_KEPT]
