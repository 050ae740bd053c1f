"""Keeps on disk which policies a robot has, and reads that again after a power cut.

The file is written beside the old one, through to the disk, and takes its name in one step, which
is through to the disk too before a call returns (`edge_runtime.files.write_file`). So a cut leaves
the old state or the new one, whole: what is torn or comes out of order has no name yet. A second
copy with a counter would survive the same, with two readers to keep alike. The checksum finds what
a cut cannot do: a page that went bad.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.config.document import parse_table
from edge_runtime.errors import UserError
from edge_runtime.files import read_file, write_file

STATE_FILE = "slots.json"
INSTALLED, CONFIRMED, REJECTED, ROLLED_BACK = "installed", "confirmed", "rejected", "rolled back"
KEPT = 16  # changes that are remembered after an audit log has them
MOST_WAITING = 200  # changes that are remembered before
_LARGEST = 4_000_000  # bytes of the file: that many changes with the longest of reasons
_LONGEST = 500  # characters of a reason or a name


@dataclass(frozen=True)
class Slot:
    """Names a policy by its content, and says who brought it."""

    sha256: str
    source: str  # what the policy was called by who brought it
    asked_by: str
    time: str  # UTC, ISO 8601, by the robot's clock


@dataclass(frozen=True)
class Change:
    """Says what was done with a policy, by whom and why."""

    number: int  # from 0, over all changes of the folder
    what: str
    sha256: str
    source: str
    asked_by: str
    time: str  # UTC, ISO 8601, by the robot's clock
    reason: str = ""


@dataclass(frozen=True)
class SlotState:
    """Holds which policy drives, which one did before, and which one is tried."""

    good: Slot | None = None
    before: Slot | None = None  # the good one before
    pending: Slot | None = None
    boots: int = 0  # how often the pending one was given to drive
    changes: tuple[Change, ...] = ()  # the last ones, and all that wait for an audit log
    number: int = 0  # of the next change
    recorded: int = 0  # changes that an audit log holds, or records as lost

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Returns the policies that the folder keeps."""
        return tuple(slot for slot in (self.good, self.before, self.pending) if slot is not None)

    @property
    def waiting(self) -> tuple[Change, ...]:
        """Returns the changes that no audit log holds yet."""
        return tuple(change for change in self.changes if change.number >= self.recorded)

    @property
    def lost(self) -> int:
        """Returns how many changes were dropped before an audit log held them."""
        return self.number - self.recorded - len(self.waiting)

    def changed(
        self, what: str, slot: Slot, asked_by: str, reason: str = "", **fields: Any
    ) -> "SlotState":
        """Returns the state after a change.

        Args:
            what: what was done.
            slot: the policy it was done with.
            asked_by: who asked for it.
            reason: why.
            fields: the fields that it changes.
        """
        change = Change(
            self.number,
            what,
            slot.sha256,
            slot.source,
            asked_by[:_LONGEST],
            now(),
            reason[:_LONGEST],
        )
        kept = max(KEPT, min(len(self.waiting) + 1, MOST_WAITING))
        changes = (*self.changes, change)[-kept:]
        return replace(self, changes=changes, number=self.number + 1, **fields)


def new_slot(sha256: str, source: str, asked_by: str) -> Slot:
    """Returns a policy that is brought now."""
    return Slot(sha256, source[:_LONGEST], asked_by[:_LONGEST], now())


def now() -> str:
    """Returns the time by the robot's clock, UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def read_state(folder: Path) -> SlotState:
    """Reads the state of a slots' folder.

    Raises:
        UserError: there is none, it cannot be read, or is damaged.
    """
    path = folder / STATE_FILE
    try:
        missing = not path.exists()
    except OSError as error:
        raise UserError(f"cannot read slots {folder}: {error.strerror}") from None
    if missing:
        raise UserError(
            f"{folder} holds no policies (it has no {STATE_FILE}); bring the first one with "
            f"'sim2edge slots {folder} install POLICY'"
        )
    content = read_file(path, "slots", _LARGEST)
    damaged = f"{path} is damaged; remove it, and install the policy again"
    try:
        document = parse_table(content.decode(), str(path))
        if document["sha256"] != _checksum(document["state"]):
            raise ValueError
        return from_json(SlotState, document["state"], str(path))
    except (ValueError, KeyError, UserError):
        raise UserError(damaged) from None


def write_state(folder: Path, state: SlotState) -> None:
    """Replaces the state of a slots' folder, through to the disk.

    Raises:
        UserError: it cannot be written; the old one is still there.
    """
    document = to_json(state)
    content = {"sha256": _checksum(document), "state": document}
    write_file(folder / STATE_FILE, json.dumps(content, indent=2) + "\n")


def _checksum(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
