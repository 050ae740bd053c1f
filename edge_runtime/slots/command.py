"""Runs `sim2edge slots`: shows a robot's policies on its disk, and switches between them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_runtime.audit.audit_log import AuditLog, user
from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.slots.slot_folder import BEFORE, GOOD, PENDING, SlotFolder
from edge_runtime.slots.slot_state import KEPT, Slot, SlotState


@dataclass(frozen=True)
class SlotsCommandConfig:
    """Show and switch the policies on a robot's disk."""

    folder: Path
    """The folder; 'install' makes it."""
    action: Literal["show", "install", "confirm", "reject", "roll-back"]
    """show prints what is there; install makes a policy pending, or good where none is; confirm
    makes the pending one good; reject removes it; roll-back goes back to the good one, or from that
    to the one before."""
    policy: Path | None = None
    """The policy file (.onnx) to install, or the name of a policy that comes with sim2edge."""
    reason: str = ""
    """Why, for the record."""
    asked_by: str = ""
    """Who asks for it, for the record; by default the user and the host."""
    audit: Path | None = None
    """Record the change in this audit log. Without it, the next run with an audit log does."""


def main(config: SlotsCommandConfig) -> int:
    """Runs the command; returns 0.

    Raises:
        UserError: the folder holds no policies, the change makes no sense, or a file cannot be read
            or written.
    """
    slots = SlotFolder(config.folder)
    if config.action == "show":
        _show(slots)
        return 0
    if config.policy is None and config.action == "install":
        raise UserError("POLICY is missing; name a policy file to install")
    if config.audit is None:
        _change(slots, config)
    else:
        with AuditLog(config.audit) as log:  # first, for without a log nothing is changed
            _change(slots, config)
            try:
                slots.record(log.append)
            except OSError as error:
                raise UserError(
                    f"the change is made, but not recorded: cannot write audit log {config.audit}: "
                    f"{error.strerror}; the next run with an audit log records it"
                ) from None
    _show(slots)
    return 0


def _change(slots: SlotFolder, config: SlotsCommandConfig) -> None:
    asked_by = config.asked_by or user()
    if config.action == "install" and config.policy is not None:
        slots.install(config.policy, asked_by)
    elif config.action == "confirm":
        slots.confirm(asked_by)
    elif config.action == "reject":
        slots.reject(config.reason or "by hand", asked_by)
    else:
        slots.roll_back(asked_by, config.reason)


def _show(slots: SlotFolder) -> None:
    state = slots.status()
    for name, slot in ((GOOD, state.good), (BEFORE, state.before), (PENDING, state.pending)):
        print(plain(f"{name:<8} {_shown(slots, slot)}{_boots(name, state)}"))
    for change in state.changes[-KEPT:]:
        why = f": {change.reason}" if change.reason else ""
        mark = " " if change.number < state.recorded else "*"
        print(
            plain(
                f"{change.number:6d}{mark} {change.time}  {change.what:<11}  "
                f"{change.sha256[:16]}  {change.asked_by}{why}"
            )
        )
    if state.waiting:
        lost = f"; {state.lost} before them were dropped" if state.lost else ""
        print(f"* is in no audit log yet: {len(state.waiting)} changes wait for one{lost}")


def _shown(slots: SlotFolder, slot: Slot | None) -> str:
    if slot is None:
        return "-"
    damage = slots.damage(slot)
    text = f"{slot.sha256[:16]}  {slot.source}, by {slot.asked_by}, {slot.time}"
    return f"{text} DAMAGED: {damage}" if damage else text


def _boots(name: str, state: SlotState) -> str:
    if name != PENDING or state.pending is None:
        return ""
    return f", started {state.boots} times"
