"""Judges a policy from a slots' folder by how it drives: confirmed, or rejected."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edge_runtime.audit.watch import AuditWatch
from edge_runtime.errors import ContractError, UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.policy.inference import Policy
from edge_runtime.slots.canary import Canary
from edge_runtime.slots.slot_folder import Boot, SlotFolder, SlotsConfig
from edge_runtime.slots.slot_state import REJECTED, Slot
from edge_runtime.slots.verdict import Outcome


class BootTrial:
    """Confirms a pending policy once it has driven well, or rejects it when it has not.

    Where it drives from the start on, it is rejected when the guard latches. Where it takes turns
    with the good one as a canary, the canary's verdict and probation decide. A folder that cannot
    be written does not stop the robot: `failure` says why, and the next look tries again. It does
    nothing while another policy drives.

    Args:
        slots: the folder.
        boot: what it gave to drive; it was counted if it is pending.
        asked_by: what drives the robot, for the record.
        tried: the pending policy where it is to be a canary; it was counted.
        since: number of the first change of the folder that belongs to this start.

    Attributes:
        boot: what drives.
        tried: what is to be a canary; None for nothing.
    """

    def __init__(
        self,
        slots: SlotFolder,
        boot: Boot,
        asked_by: str,
        tried: Boot | None = None,
        since: int = 0,
    ) -> None:
        self._slots, self.boot, self.tried = slots, boot, tried
        self._asked_by, self._since = asked_by, since
        self._judged = boot if tried is None else tried
        self._is_open = self._judged.is_pending
        self._loop: ControlLoop | None = None  # that was seen last
        self._clean_from = 0  # the tick since which the guard did not react
        self._reacted = 0  # ticks with a reaction before that
        self._has_driven = False
        self.verdict = ""  # what was decided
        self.failure = ""  # why that is not on the disk; empty if it is

    def look(self, loop: ControlLoop, canary: Canary | None = None) -> None:
        """Judges what the loop has done up to now; call it now and then, on any one thread.

        Args:
            loop: the loop.
            canary: the last one that the loop has had; it counts if it tries the pending policy.
        """
        if not self._is_open:
            return
        if canary is not None and canary.new.sha256 == self._sha256:
            verdict = canary.verdict
            self._has_driven = verdict is None or verdict.outcome is not Outcome.UNDECIDED
            if self._has_driven:
                self._judge(canary)
                return
        self._judge_driving(loop)  # an operator may have let it drive, undecided

    def try_out(self, model: bytes, source: str, asked_by: str) -> Boot:
        """Installs a policy that is to be a canary, and returns it; the start counts for it.

        Args:
            model: the content of its file.
            source: what the file is called.
            asked_by: who wants it, for the record.

        Raises:
            ContractError: it is no sound policy, or one for another robot than the good one.
            UserError: it is the good one, or the folder cannot be written.
        """
        self._slots.install(model, asked_by, source)
        self.tried = self._judged = self._slots.boot()
        self._is_open, self._has_driven, self.verdict = self.tried.is_pending, False, ""
        return self.tried

    def refuse(self, reason: str) -> None:
        """Rejects the policy, if it is pending."""
        if self._is_open:
            self._decide(lambda: self._reject(reason))

    def rolled_back(self, policy: Policy, asked_by: str) -> None:
        """Follows an operator who has rolled a policy back that drove.

        A pending one is rejected; in place of the good one, the one before it is good again.
        """
        if self._is_open and policy.sha256 == self._sha256:
            self._decide(lambda: self._reject("rolled back", asked_by))
            return
        with suppress(UserError):  # there is none before it, so it stays
            state = self._slots.status()
            if state.good is not None and state.good.sha256 == policy.sha256:
                self._slots.roll_back(asked_by, "rolled back while it drove")

    def close(self) -> None:
        """Gives the start back, if the policy is pending and was not put to the test."""
        if self._is_open and not self._has_driven:
            self._is_open = False
            with suppress(UserError):  # it has one start less
                self._slots.uncount(self._sha256)

    def record(self, watch: AuditWatch) -> None:
        """Records in the audit log what was done with the folder's policies since the last time."""
        try:
            self._slots.record(watch.note, watch.flush)
        except UserError as error:
            self.failure = str(error)

    def described(self) -> str:
        """Says in one line what drives, and what was decided."""
        tried = "" if self.tried is None else f"the pending policy {self._sha256[:16]} is tried"
        not_yet = self.failure and f"not yet: {self.failure}"
        return "; ".join(filter(None, (self.boot.described(), tried, self.verdict, not_yet)))

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry: what drove first, and what the folder holds now."""
        drove = {"slot": self.boot.slot, "sha256": self.boot.policy.sha256}
        entry: dict[str, Any] = {
            "folder": str(self._slots.path),
            "drove_first": drove,
            "remarks": list(self.boot.remarks),
            "verdict": self.verdict or None,
            "failure": self.failure or None,
        }
        with suppress(UserError):  # the entry lacks the rest
            state = self._slots.status()
            places = {"good": state.good, "before": state.before, "pending": state.pending}
            entry |= {name: None if slot is None else _named(slot) for name, slot in places.items()}
            entry["rejected"] = [
                {"sha256": c.sha256, "reason": c.reason, "asked_by": c.asked_by, "time": c.time}
                for c in state.changes
                if c.what == REJECTED and c.number >= self._since
            ]
        return entry

    @property
    def _sha256(self) -> str:
        return self._judged.policy.sha256

    def _judge_driving(self, loop: ControlLoop) -> None:
        if loop.last_tick.policy.sha256 != self._sha256:
            return
        self._has_driven |= loop.ticks > 0
        if loop.guard.latched:
            by = loop.guard.latched_by
            fault = "" if by is None else f" by {loop.guard.rules[by].fault.name.lower()}"
            self.refuse(f"the guard latched {loop.guard.latched.name.lower()}{fault}")
            return
        reacted = sum(loop.ticks_reacting[1:])
        if loop is not self._loop or reacted != self._reacted:
            self._loop, self._reacted, self._clean_from = loop, reacted, loop.ticks
        after = self._slots.config.confirm_after
        if (loop.ticks - self._clean_from) * loop.period * 1e-9 >= after:
            self._decide(lambda: self._confirm(f"after {after:g} s"))

    def _judge(self, canary: Canary) -> None:
        """Follows a canary that is not undecided; that would say nothing of the policy."""
        if canary.over and canary.promoted:
            self._decide(lambda: self._confirm("as a canary"))
        elif canary.over:
            self.refuse(canary.why)

    def _decide(self, decide: Callable[[], str]) -> None:
        try:
            self.verdict, self.failure = decide(), ""
        except UserError as error:
            self.failure = str(error)
            self._is_open = self._is_still_pending()
            return
        self._is_open = False

    def _is_still_pending(self) -> bool:
        """Returns whether there is still something to decide; True if that cannot be read."""
        try:
            pending = self._slots.status().pending
        except UserError:
            return True
        return pending is not None and pending.sha256 == self._sha256

    def _confirm(self, how: str) -> str:
        self._slots.confirm(self._asked_by, self._sha256)
        return f"it is confirmed {how}"

    def _reject(self, reason: str, asked_by: str = "") -> str:
        self._slots.reject(reason, asked_by or self._asked_by, self._sha256)
        return f"it is rejected: {reason}"


@contextmanager
def booted(
    path: Path,
    config: SlotsConfig,
    asked_by: str,
    *,
    as_canary: bool = False,
    candidate: Path | None = None,
) -> Iterator[BootTrial]:
    """Yields what drives from this start on, of a slots' folder, and rejects it if it does not fit.

    Args:
        path: the folder.
        config: how a pending policy is tried.
        asked_by: what drives the robot, for the record.
        as_canary: whether a pending policy waits to be a canary, while the good one drives.
        candidate: a policy to install first.

    Raises:
        UserError: no policy of the folder may drive, or the folder cannot be written.
    """
    trial = boot_trial(SlotFolder(path, config), asked_by, as_canary, candidate)
    try:
        yield trial
    except ContractError as error:
        if trial.boot.is_pending:
            trial.refuse(str(error))
        raise
    finally:
        trial.close()


def boot_trial(
    slots: SlotFolder, asked_by: str, as_canary: bool = False, candidate: Path | None = None
) -> BootTrial:
    """Starts from a slots' folder; see `booted`, which closes it too.

    Raises:
        UserError: no policy of the folder may drive, or the folder cannot be written.
    """
    since = slots.status().number
    if candidate is not None:
        slots.install(candidate, asked_by)
    boot = slots.boot()
    if as_canary and boot.is_pending:
        with suppress(UserError):  # where none is trusted, the pending one drives
            return BootTrial(slots, slots.trusted(), asked_by, boot, since)
    return BootTrial(slots, boot, asked_by, since=since)


def _named(slot: Slot) -> dict[str, str]:
    return {"sha256": slot.sha256, "source": slot.source}
