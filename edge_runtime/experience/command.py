"""Runs `sim2edge experience`: makes the key of a store, shows a store, or erases it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.experience.erasure import erase
from edge_runtime.experience.key import master_key
from edge_runtime.experience.layout import Flag, Layout
from edge_runtime.experience.reader import ExperienceReader
from edge_runtime.keys.key_file import new_key, write_key

DAMAGED = 1  # exit code


@dataclass(frozen=True)
class ExperienceCommandConfig:
    """Make the key of an experience store, show what a store holds, or erase it."""

    action: Literal["new", "show", "erase"]
    """new makes a key, show counts what a store holds, erase destroys it and proves that."""
    path: Path
    """The file of the new key; else the folder of the store."""
    key: Path | None = None
    """The file of the store's key, which nobody else may read."""
    credential: str = ""
    """Name of a systemd credential that holds the store's key, instead of --key."""
    yes: bool = False
    """Do erase; what is erased is lost."""


def main(config: ExperienceCommandConfig) -> int:
    """Runs the command; returns 0, or 1 if a part of the store is damaged.

    Raises:
        UserError: there is no store, the key is not its key, or something cannot be read, written
            or erased.
    """
    if config.action == "new":
        return _new(config)
    return _show(config) if config.action == "show" else _erase(config)


def _new(config: ExperienceCommandConfig) -> int:
    if config.key is not None or config.credential:
        raise UserError("'new' takes the file of the key alone, as in 'experience new store.key'")
    write_key(config.path, new_key())
    print(f"{config.path}: keep this key away from the store, for both together are readable")
    return 0


@dataclass
class _Sum:
    """Counts the rows with one layout."""

    segments: int = 0
    rows: int = 0
    flags: dict[Flag, int] = field(default_factory=lambda: dict.fromkeys(Flag, 0))


def _show(config: ExperienceCommandConfig) -> int:
    reader = ExperienceReader(config.path, master_key(config.key, config.credential))
    sums: dict[Layout, _Sum] = {}
    for segment in reader.segments():
        total = sums.setdefault(segment.layout, _Sum())
        total.segments += 1
        for rows in segment.rows():
            total.rows += len(rows)
            for flag in Flag:
                total.flags[flag] += int(np.count_nonzero(rows["flags"] & flag))
    rows, segments = (
        sum(getattr(total, name) for total in sums.values()) for name in ("rows", "segments")
    )
    print(plain(f"{config.path}: {rows} rows in {segments} segments, of robot {reader.robot_id}"))
    for layout, total in sums.items():
        print(plain(_shown(layout, total)))
    for line in reader.damage:
        print(plain(f"DAMAGED: {line}"))
    return DAMAGED if reader.damage else 0


def _shown(layout: Layout, total: _Sum) -> str:
    seconds = f" ({total.rows * layout.period:.0f} s)" if layout.period else ""
    return (
        f"policy {layout.policy[:12]} on {layout.robot}: {total.rows} rows{seconds} in "
        f"{total.segments} segments, {total.flags[Flag.END]} ends, {total.flags[Flag.CUT]} cut "
        f"off, {total.flags[Flag.CORRECTED]} corrected; observation {layout.observation}, action "
        f"{layout.action}, reward {', '.join(layout.reward) or 'without parts'}"
    )


def _erase(config: ExperienceCommandConfig) -> int:
    given = config.key is not None or bool(config.credential)
    key = master_key(config.key, config.credential) if given else None
    if not config.yes:
        raise UserError(f"what is in {config.path} would be lost for good; add --yes to erase it")
    for line in erase(config.path, key).lines():
        print(line)
    if not given:
        print("with --key it would have been tried to open the segments too")
    print("flash memory may keep old pages: make a new master key ('sim2edge experience new')")
    return 0
