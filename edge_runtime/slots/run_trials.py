"""Tries a new policy in a run: in shadow, then as a canary, and tells the folder it is from."""

from dataclasses import dataclass
from typing import Any

from edge_runtime.audit.watch import AuditWatch
from edge_runtime.config.fields import LONGEST, setting
from edge_runtime.errors import ContractError, UserError
from edge_runtime.loop.session import Session
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.boot_trial import BootTrial
from edge_runtime.slots.canary import Canary, CanaryConfig
from edge_runtime.slots.policy_slots import PolicySlots
from edge_runtime.slots.records import Note, no_note


@dataclass(frozen=True)
class TryoutConfig(CanaryConfig):
    """Sets whether and when the new policy of a run drives as a canary."""

    on: bool = setting(
        False,
        "Let the policy in shadow, or the pending one of a folder, take turns with the one that "
        "drives. The better one stays: the new one, unless it trips, misses its deadlines or "
        "leaves a tightened envelope.",
    )
    after: float = setting(
        5.0, "Time that it runs in shadow before.", "s", at_least=0, at_most=LONGEST
    )

    def check_time(self, seconds: float) -> None:
        """Checks that a run is long enough for the canary.

        Args:
            seconds: how long the run lasts, s; 0 for any time.

        Raises:
            UserError: it is not.
        """
        needed = self.after + self.seconds
        if self.on and 0 < seconds < needed:
            raise UserError(
                f"the canary takes {needed:g} s, and the run {seconds:g} s; give --seconds "
                f"{needed + 1:g}, or fewer --canary.slices"
            )


class RunTrials:
    """Tries the new policy of a run, and judges the one that its slots' folder has on trial.

    The operator's thread calls the methods.

    Args:
        session: the session, before its start.
        config: whether, when and how long the new policy is a canary.
        tried: the new policy; None for none.
        boot: what a slots' folder gave to drive; None without a folder.
        note: records what happens to policies.

    Raises:
        ContractError: the new policy does not fit the robot or the one that drives.
    """

    def __init__(
        self,
        session: Session,
        config: TryoutConfig,
        tried: Policy | None,
        boot: BootTrial | None,
        note: Note = no_note,
    ) -> None:
        self._session, self._config, self._boot = session, config, boot
        self._slots = None if tried is None else PolicySlots(session, note=note)
        self._is_due = config.on and tried is not None
        self._refusal = "nothing is pending" if tried is None else "the run ended before it began"
        if self._slots is not None and tried is not None:
            try:
                self._slots.shadow(tried)
            except ContractError as error:
                self._slots.close()
                if config.on and boot is not None:
                    boot.refuse(str(error))
                raise

    def look(self) -> None:
        """Begins the canary when it is due, and judges the folder's policy; call it now and
        then."""
        loop = self._session.loop
        if self._is_due and loop.ticks * loop.period * 1e-9 >= self._config.after:
            self._is_due = False
            self._begin()
        if self._boot is not None:
            self._boot.look(loop, self._canary)

    def rest(self) -> None:
        """Lets the policy before a canary drive again, which brings the robot to rest.

        Raises:
            UserError: the loop does not tick.
        """
        self._is_due = False
        if self._slots is not None:
            self._slots.end_canary()

    def shown(self) -> list[str]:
        """Returns nothing: what is tried shows at its end."""
        return []

    def close(self) -> None:
        """Ends what is tried, and judges it; call it after the session has ended."""
        if self._slots is not None:
            self._slots.close()
        if self._boot is not None:
            self._boot.look(self._session.loop, self._canary)

    def record(self, watch: AuditWatch) -> None:
        """Records in the audit log what was done with the folder's policies."""
        if self._boot is not None:
            self._boot.record(watch)

    def lines(self) -> list[str]:
        """Describes how each trial ended, one line for each."""
        found = []
        if self._slots is not None:
            comparison = self._slots.comparison()
            shadow = "nothing was in it" if comparison is None else comparison.described()
            found.append(f"shadow: {shadow}")
        if self._config.on:
            canary = self._canary
            why = f"none: {self._refusal}" if canary is None else canary.described()
            found.append(f"canary: {why}")
        if self._boot is not None:
            found.append(f"slots: {self._boot.described()}")
        return found

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entries `shadow`, `canary` and `slots`; None for what was not."""
        comparison = None if self._slots is None else self._slots.comparison()
        canary: dict[str, Any] | None = None
        if self._canary is not None:
            canary = self._canary.as_dictionary()
        elif self._config.on:
            canary = {"verdict": None, "refused": self._refusal}
        return {
            "shadow": None if comparison is None else comparison.as_dictionary(),
            "canary": canary,
            "slots": None if self._boot is None else self._boot.as_dictionary(),
        }

    @property
    def _canary(self) -> Canary | None:
        return None if self._slots is None else self._slots.last_canary

    def _begin(self) -> None:
        assert self._slots is not None
        found = self._slots.comparison()
        try:
            self._slots.canary(config=self._config)
        except UserError as error:
            self._refusal = str(error)
            if self._boot is not None and found and (found.not_finite or found.failure):
                self._boot.refuse(f"in shadow: {found.failure or error}")
