"""Keeps a robot's policies on disk, and decides at each start which one drives."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge_runtime.config.fields import setting
from edge_runtime.errors import ContractError, UserError
from edge_runtime.files import lock, make_folder, read_file, write_file
from edge_runtime.policy.inference import LARGEST, Policy, read_model
from edge_runtime.slots.slot_state import (
    CONFIRMED,
    INSTALLED,
    REJECTED,
    ROLLED_BACK,
    STATE_FILE,
    Slot,
    SlotState,
    new_slot,
    read_state,
    write_state,
)

GOOD, BEFORE, PENDING = "good", "before", "pending"
CHANGES_LOST = "policy changes lost"  # in an audit log
_AT_ONCE = 16  # changes that are recorded before the state says so
# A policy's file, and what a power cut left of a file that was being written.
_OURS = re.compile(
    r"policy-[0-9a-f]{16}\.onnx|\.\d+\.(policy-[0-9a-f]{16}\.onnx|" + re.escape(STATE_FILE) + ")"
)


@dataclass(frozen=True)
class SlotsConfig:
    """Sets how a policy is tried that was installed in a slots' folder."""

    boots: int = setting(
        3, "Starts that a pending policy has to be confirmed in.", at_least=1, at_most=1000
    )
    confirm_after: float = setting(
        10.0,
        "Time that a pending policy drives without a reaction of the guard until it is good.",
        "s",
        above=0,
        at_most=1e6,
    )
    patience: float = setting(
        5.0,
        "Time to wait for another process that changes the folder.",
        "s",
        at_least=0,
        at_most=60,
    )


@dataclass(frozen=True)
class Boot:
    """Holds the policy that drives from this start on, verified."""

    policy: Policy
    model: bytes  # the content of its file
    slot: str  # good, before or pending
    boots_left: int = 0  # further starts that it has, if it is pending
    remarks: tuple[str, ...] = ()  # why it is not another one

    @property
    def is_pending(self) -> bool:
        """Returns whether the policy is on trial."""
        return self.slot == PENDING

    def described(self) -> str:
        """Says in one line which policy drives, and why."""
        tried = f", {self.boots_left} more starts to confirm it" if self.is_pending else ""
        why = "".join(f"; {remark}" for remark in self.remarks)
        return f"the {self.slot} policy {self.policy.sha256[:16]} drives{tried}{why}"


class SlotFolder:
    """Keeps the good policy, the one before it, and one that is pending until it has driven well.

    Each policy has a file of its own, named by its content, so a new one is never written over one
    that may drive. A method that returns has its change on the disk; a power cut before leaves the
    state as it was, or as it was meant to be.

    Args:
        path: the folder.
        config: how a pending policy is tried.
    """

    def __init__(self, path: Path, config: SlotsConfig | None = None) -> None:
        self.path, self.config = path, config or SlotsConfig()

    def install(self, policy: bytes | Path, asked_by: str, source: str = "policy") -> SlotState:
        """Makes a policy pending, or good where none is; another that is pending is rejected.

        Args:
            policy: the file's content, or its path or the name of a shipped policy.
            asked_by: who wants it, for the record.
            source: what the file is called whose content it is.

        Raises:
            ContractError: it is no sound policy, or one for another robot than the good one.
            UserError: it is the good one, cannot be read or written, or another process changes
                the folder.
        """
        model = policy if isinstance(policy, bytes) else read_model(policy)
        source = source if isinstance(policy, bytes) else str(policy)
        checked = Policy(model, source)  # refuses one that is not sound
        make_folder(self.path)
        with self._locked():
            state = read_state(self.path) if self.exists() else SlotState()
            slot = new_slot(checked.sha256, source, asked_by)
            good = self._sound(state.good)
            if state.good is not None and state.good.sha256 == slot.sha256:
                if good is not None:
                    raise UserError(f"{source} is the good policy of {self.path} already")
                write_file(self._file(slot), model)
                return self._write(state.changed(INSTALLED, slot, asked_by, "it was damaged"))
            if good is not None:
                _check_same_robot(checked, good)
            if state.pending is not None and state.pending.sha256 != slot.sha256:
                state = self._rejected(state, f"{source} took its place", asked_by)
            write_file(self._file(slot), model)
            first = state.good is None
            place: dict[str, Any] = {"good": slot} if first else {"pending": slot, "boots": 0}
            return self._write(state.changed(INSTALLED, slot, asked_by, **place))

    def exists(self) -> bool:
        """Returns whether the folder holds policies."""
        return is_slot_folder(self.path)

    def boot(self) -> Boot:
        """Decides which policy drives from this start on.

        A pending one drives as often as the config says; each time is counted on the disk before.
        A policy that is damaged never drives: the good one does, or else the one before it.

        Raises:
            UserError: no policy is sound, the folder cannot be written, or another process changes
                it.
        """
        remarks = list[str]()
        with self._locked():
            state = read_state(self.path)
            slot = state.pending
            if slot is not None and state.boots >= self.config.boots:
                reason = f"not confirmed in {state.boots} starts"
                state = self._write(self._rejected(state, reason, "boot"))
                remarks.append(f"the pending policy was rejected: {reason}")
            elif slot is not None:
                state = self._write(replace(state, boots=state.boots + 1))
                try:
                    return Boot(*self._load(slot), PENDING, self.config.boots - state.boots)
                except UserError as error:
                    state = self._write(self._rejected(state, str(error), "boot"))
                    remarks.append(f"the pending policy was rejected: {error}")
            return self._trusted(state, remarks)

    def trusted(self) -> Boot:
        """Returns the policy that drives while the pending one takes turns with it as a canary.

        Raises:
            UserError: no policy but the pending one is sound, or the state cannot be read.
        """
        return self._trusted(read_state(self.path), [])

    def confirm(self, asked_by: str, sha256: str = "") -> SlotState:
        """Makes the pending policy the good one.

        Args:
            asked_by: who wants it, for the record.
            sha256: the policy that is meant; by default the one that is pending.

        Raises:
            UserError: it is not pending, is damaged, or the folder cannot be written.
        """
        with self._locked():
            state, slot = self._pending(sha256)
            if damage := self.damage(slot):
                raise UserError(f"{damage}; install it again")
            place: dict[str, Any] = {
                "good": slot,
                "before": state.good,
                "pending": None,
                "boots": 0,
            }
            return self._write(state.changed(CONFIRMED, slot, asked_by, **place))

    def reject(self, reason: str, asked_by: str, sha256: str = "") -> SlotState:
        """Removes the pending policy; the good one drives from the next start on.

        Args:
            reason: why.
            asked_by: who wants it, for the record.
            sha256: the policy that is meant; by default the one that is pending.

        Raises:
            UserError: it is not pending, or the folder cannot be written.
        """
        with self._locked():
            state, _ = self._pending(sha256)
            return self._write(self._rejected(state, reason, asked_by))

    def uncount(self, sha256: str) -> None:
        """Gives the pending policy back a start in which it did not drive after all.

        Raises:
            UserError: it is not pending, or the folder cannot be written.
        """
        with self._locked():
            state, _ = self._pending(sha256)
            self._write(replace(state, boots=max(0, state.boots - 1)))

    def roll_back(self, asked_by: str, reason: str = "") -> SlotState:
        """Removes the pending policy or, without one, the good one, whose place the one before it
        takes.

        Raises:
            UserError: there is none to go back to, it is damaged, or the folder cannot be written.
        """
        with self._locked():
            state = read_state(self.path)
            if state.pending is not None:
                return self._write(self._rejected(state, reason or "rolled back", asked_by))
            if state.good is None or state.before is None:
                raise UserError(f"{self.path} holds no other policy to go back to; install one")
            if damage := self.damage(state.before):
                raise UserError(f"{damage}, so there is no policy to go back to; install one")
            place: dict[str, Any] = {"good": state.before, "before": None}
            return self._write(state.changed(ROLLED_BACK, state.good, asked_by, reason, **place))

    def status(self) -> SlotState:
        """Returns the state; nobody need wait for that.

        Raises:
            UserError: the folder holds no policies, or its state is damaged.
        """
        return read_state(self.path)

    def damage(self, slot: Slot) -> str:
        """Returns why a policy of the folder may not drive; empty if it may."""
        try:
            self._load(slot)
        except UserError as error:
            return str(error)
        return ""

    def record(
        self,
        note: Callable[[str, Mapping[str, Any]], object],
        is_written: Callable[[], bool] = lambda: True,
    ) -> None:
        """Records the changes that no audit log holds yet.

        They wait in the state for a log, so that none is lost to a power cut between a change and
        its record; the cut may record one twice, with the same number. How many were dropped
        because too many waited is recorded before them.

        Args:
            note: adds a record: an event, and its details.
            is_written: returns whether what was noted is on the disk.

        Raises:
            UserError: the folder cannot be read or written.
        """
        while self._record_some(note, is_written):
            pass

    def _record_some(
        self,
        note: Callable[[str, Mapping[str, Any]], object],
        is_written: Callable[[], bool],
    ) -> bool:
        """Records as many changes as a slow disk takes in a moment; returns whether more wait."""
        slots = {"slots": str(self.path)}
        with self._locked():
            state = read_state(self.path)
            some = state.waiting[:_AT_ONCE]
            if state.lost:
                note(CHANGES_LOST, {"changes": state.lost, "first": state.recorded, **slots})
            for change in some:
                details = asdict(change)
                note(f"policy {details.pop('what')}", {**details, **slots})
            if not some or not is_written():
                return False
            state = self._write(replace(state, recorded=some[-1].number + 1))
            return bool(state.waiting)

    def _trusted(self, state: SlotState, remarks: list[str]) -> Boot:
        for name, slot in ((GOOD, state.good), (BEFORE, state.before)):
            try:
                if slot is not None:
                    return Boot(*self._load(slot), name, remarks=tuple(remarks))
            except UserError as error:
                remarks.append(str(error))
        raise UserError(
            f"{self.path} holds no policy that may drive ({'; '.join(remarks)}); install one with "
            f"'sim2edge slots {self.path} install POLICY'"
        )

    def _pending(self, sha256: str) -> tuple[SlotState, Slot]:
        state = read_state(self.path)
        if state.pending is None or sha256 not in ("", state.pending.sha256):
            which = f"policy {sha256[:16]} is not" if sha256 else "no policy is"
            raise UserError(f"{which} pending in {self.path}; 'install' makes one so")
        return state, state.pending

    def _rejected(self, state: SlotState, reason: str, asked_by: str) -> SlotState:
        assert state.pending is not None
        return state.changed(REJECTED, state.pending, asked_by, reason, pending=None, boots=0)

    def _file(self, slot: Slot) -> Path:
        return self.path / f"policy-{slot.sha256[:16]}.onnx"

    def _load(self, slot: Slot) -> tuple[Policy, bytes]:
        """Returns a policy and its file's content.

        Raises:
            UserError: the file is damaged, or does not hold a sound policy.
        """
        path = self._file(slot)
        model = read_file(path, "policy", LARGEST)
        if hashlib.sha256(model).hexdigest() != slot.sha256:
            raise UserError(f"policy {path} is damaged")
        return Policy(model, str(path)), model

    def _sound(self, slot: Slot | None) -> Policy | None:
        """Returns a policy; None where there is none that may drive."""
        with suppress(UserError):
            return None if slot is None else self._load(slot)[0]
        return None

    def _write(self, state: SlotState) -> SlotState:
        """Writes the state, then removes the files that it does not name any more."""
        write_state(self.path, state)
        kept = {self._file(slot).name for slot in state.slots}
        with suppress(OSError):  # they are removed with the next change
            for path in list(self.path.iterdir()):
                if _OURS.fullmatch(path.name) and path.name not in kept:
                    path.unlink(missing_ok=True)
        return state

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keeps other processes from changing the folder.

        Raises:
            UserError: one does for longer than the patience, or the folder cannot be written.
        """
        way_out = "try again when it is done"
        with closing(lock(self.path, "slots", self.config.patience, way_out)):
            yield


def is_slot_folder(path: Path) -> bool:
    """Returns whether a path is a folder that holds a robot's policies."""
    try:
        return path.is_dir() and (path / STATE_FILE).is_file()
    except OSError:
        return False


def _check_same_robot(policy: Policy, good: Policy) -> None:
    """Refuses a policy for another robot, which would be found out at its start only."""
    if policy.contract.robot != good.contract.robot:
        raise ContractError(
            f"{policy.source}: made for robot '{policy.contract.robot}', and the good policy here "
            f"for '{good.contract.robot}'; keep a folder for each robot"
        )
