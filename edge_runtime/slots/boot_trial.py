"""Judges a policy from a slots' folder by how it drives: confirmed, or rejected."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge_runtime.audit.watch import AuditWatch
from edge_runtime.errors import ContractError, UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.slots.slot_folder import Boot, SlotFolder, SlotsConfig


class BootTrial:
    """Confirms a pending policy once it has driven well, or rejects it when the guard latches.

    A folder that cannot be written does not stop the robot: `failure` says why, and the next look
    tries again. It does nothing while another policy drives.

    Args:
        slots: the folder.
        boot: what it gave to drive; it was counted.
        asked_by: what drives the robot, for the record.

    Attributes:
        boot: what drives.
    """

    def __init__(self, slots: SlotFolder, boot: Boot, asked_by: str) -> None:
        self._slots, self.boot, self._asked_by = slots, boot, asked_by
        self._is_open = boot.is_pending
        self._loop: ControlLoop | None = None  # that was seen last
        self._clean_from = 0  # the tick since which the guard did not react
        self._reacted = 0  # ticks with a reaction before that
        self._has_driven = False
        self.verdict = ""  # what was decided
        self.failure = ""  # why that is not on the disk; empty if it is

    def look(self, loop: ControlLoop) -> None:
        """Judges what the loop has done up to now; call it now and then, on any one thread."""
        if not self._is_open or loop.last_tick.policy.sha256 != self.boot.policy.sha256:
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
        driven = (loop.ticks - self._clean_from) * loop.period * 1e-9
        if driven >= self._slots.config.confirm_after:
            self._decide(self._confirm)

    def refuse(self, reason: str) -> None:
        """Rejects the policy, if it is pending."""
        if self._is_open:
            self._decide(lambda: self._reject(reason))

    def close(self) -> None:
        """Gives the start back, if the policy is pending and never drove."""
        if self._is_open and not self._has_driven:
            self._is_open = False
            with suppress(UserError):  # it has one start less
                self._slots.uncount(self.boot.policy.sha256)

    def record(self, watch: AuditWatch) -> None:
        """Records in the audit log what was done with the folder's policies since the last time."""
        try:
            self._slots.record(watch.note, watch.flush)
        except UserError as error:
            self.failure = str(error)

    def described(self) -> str:
        """Says in one line what drives, and what was decided."""
        parts = (self.boot.described(), self.verdict, self.failure and f"not yet: {self.failure}")
        return "; ".join(filter(None, parts))

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
        return pending is not None and pending.sha256 == self.boot.policy.sha256

    def _confirm(self) -> str:
        self._slots.confirm(self._asked_by, self.boot.policy.sha256)
        return f"it is confirmed after {self._slots.config.confirm_after:g} s"

    def _reject(self, reason: str) -> str:
        self._slots.reject(reason, self._asked_by, self.boot.policy.sha256)
        return f"it is rejected: {reason}"


@contextmanager
def booted(path: Path, config: SlotsConfig, asked_by: str) -> Iterator[BootTrial]:
    """Yields what drives from this start on, of a slots' folder, and rejects it if it does not fit.

    Args:
        path: the folder.
        config: how a pending policy is tried.
        asked_by: what drives the robot, for the record.

    Raises:
        UserError: no policy of the folder may drive, or the folder cannot be written.
    """
    slots = SlotFolder(path, config)
    trial = BootTrial(slots, slots.boot(), asked_by)
    try:
        yield trial
    except ContractError as error:
        trial.refuse(str(error))
        raise
    finally:
        trial.close()
