"""Models what a disk holds after a power cut: what was synced, and any part of what was not.

It promises no more than POSIX does. A file's content is on the disk after `fsync` of the file, and
its name after `fsync` of the folder, neither with the other. Until then each write and each name
may be there or not, in any combination; a write may be torn at any byte, leave zeros where it was
to grow the file, or lose some of its sectors. A rename is one step, as on every file system with a
journal (Pillai et al., "All file systems are not created equal", 2014).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SECTOR = 512  # bytes


@dataclass(frozen=True)
class Write:
    """Holds a write to a file."""

    node: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    """Holds a change of a file's size."""

    node: int
    size: int


@dataclass(frozen=True)
class Name:
    """Holds names that change in one step: what each leads to afterwards, None for nothing."""

    entries: tuple[tuple[int, str, int | None], ...]  # folder, name, node


@dataclass(frozen=True)
class Sync:
    """Holds an `fsync` of a file or folder."""

    node: int


@dataclass(frozen=True)
class Acknowledged:
    """Holds what the operation has said to be done, and must not be lost from here on."""

    what: Any


Event = Write | Truncate | Name | Sync | Acknowledged
ROOT = 0  # the node of the folder that is recorded


@dataclass
class Trace:
    """Holds what a disk held at first, and what was done to it, in order."""

    files: dict[int, bytes] = field(default_factory=dict)  # content at first
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})  # all of them
    events: list[Event] = field(default_factory=list)


@dataclass
class Disk:
    """Holds what is on the disk, and what is on its way there.

    Args:
        trace: what was recorded.
        until: how many of its events happened before the cut.
    """

    trace: Trace
    until: int
    acknowledged: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._files = dict(self.trace.files)
        self._folders = {node: dict(names) for node, names in self.trace.folders.items()}
        self._edits = list[Write | Truncate]()
        self._names = list[Name]()
        for event in self.trace.events[: self.until]:
            if isinstance(event, Acknowledged):
                self.acknowledged.append(event.what)
            elif isinstance(event, Name):
                self._names.append(event)
            elif isinstance(event, Sync):
                self._sync(event.node)
            else:
                self._edits.append(event)

    def cut(self, rng: random.Random, folder: Path) -> None:
        """Writes what a power cut leaves to a new folder.

        Args:
            rng: chooses what of the rest has reached the disk.
            folder: where.
        """
        share = rng.choice((0.0, 0.3, 0.7, 1.0))  # that reaches the disk whole
        torn = rng.choice((0.0, 0.5, 1.0))  # share of the others that do so in part
        for name in self._names:
            if rng.random() < share:
                self._rename(name)
        for edit in self._edits:
            if rng.random() < share:
                self._apply(edit)
            elif isinstance(edit, Write) and rng.random() < torn:
                self._tear(edit, rng)
        self._put(ROOT, folder)

    def _sync(self, node: int) -> None:
        for edit in self._edits:
            if edit.node == node:
                self._apply(edit)
        self._edits = [edit for edit in self._edits if edit.node != node]
        due = [name for name in self._names if any(of == node for of, _, _ in name.entries)]
        for name in due:
            self._rename(name)
        self._names = [name for name in self._names if name not in due]

    def _rename(self, name: Name) -> None:
        for folder, entry, node in name.entries:
            if node is None:
                self._folders[folder].pop(entry, None)
            else:
                self._folders[folder][entry] = node

    def _apply(self, edit: Write | Truncate) -> None:
        content = self._files.get(edit.node, b"")
        if isinstance(edit, Truncate):
            self._files[edit.node] = content[: edit.size].ljust(edit.size, b"\0")
        else:
            content = content.ljust(edit.offset, b"\0")
            end = edit.offset + len(edit.data)
            self._files[edit.node] = content[: edit.offset] + edit.data + content[end:]

    def _tear(self, write: Write, rng: random.Random) -> None:
        """Lets a part of a write reach the disk."""
        before, size = self._files.get(write.node, b""), len(write.data)
        end = write.offset + size
        kind = rng.choice(("short", "zeros", "sectors"))
        kept = rng.randrange(size + 1)
        if kind == "sectors":
            self._apply(Truncate(write.node, max(end, len(before))))
            for start in range(write.offset - write.offset % _SECTOR, end, _SECTOR):
                first, last = max(start, write.offset), min(start + _SECTOR, end)
                if rng.random() < 0.5:
                    data = write.data[first - write.offset : last - write.offset]
                    self._apply(Write(write.node, first, data))
            return
        if kind == "zeros":
            self._apply(Truncate(write.node, max(end, len(before))))
        self._apply(Write(write.node, write.offset, write.data[:kept]))

    def _put(self, node: int, folder: Path) -> None:
        folder.mkdir()
        for name, entry in self._folders[node].items():
            if entry in self._folders:
                self._put(entry, folder / name)
            else:
                (folder / name).write_bytes(self._files.get(entry, b""))


def points(trace: Trace, times: int, rng: random.Random) -> Sequence[int]:
    """Returns random points of a trace, after as many events each."""
    return [rng.randrange(len(trace.events) + 1) for _ in range(times)]
