"""A run's log: every sample, estimate and command, as the control loop had them.

A file of `blocks`. The first is a JSON header: the robot, the policy's contract and hash, the
estimator, and the layout of a row, so that the file explains itself. Then come blocks of rows, one
a tick, and JSON events: another policy, the estimator lost, the end.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.config.document import from_json
from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract, from_metadata
from edge_runtime.recording.block_file import Block, read_blocks
from edge_runtime.robot.robot import RobotDescription

FORMAT = "sim2edge run log 1"
HEADER, ROWS, EVENT = 0, 1, 2  # kinds of blocks
FIXED = (  # name, format, unit
    ("time", "<i8", "ns"),  # when the tick began, by the loop's clock
    ("sequence", "<i8", "1"),  # of the newest sample; the same again: there was no new one
    ("stamp", "<f8", "s"),  # of that sample, by the robot's clock
    ("row", "<u4", "1"),  # counts all ticks; a gap is rows that could not be kept
    ("tick", "<u4", "1"),  # as in the report: counts from the first good sample
    ("missed", "<u4", "1"),  # periods skipped right before
    ("fused", "<u4", "1"),  # periods by which the estimator went on; 0: it did not
    ("reset", "u1", "1"),  # whether the estimator was reset before that
    ("lost", "u1", "1"),  # whether it had lost the robot
    ("reaction", "u1", "1"),  # of the guard
    ("mode", "i1", "1"),  # of the command; -1: nothing was sent
    ("padding", "<u4", "1"),
)
HEAD = struct.Struct("<qqdIIIIBBBb4x")
SENSOR, ESTIMATE = "sensor.", "estimate."  # prefixes of signals


@dataclass(frozen=True)
class Column:
    """One column of the rows."""

    name: str
    format: str  # numpy's
    size: int
    unit: str
    frame: str = ""


def row_dtype(columns: Sequence[Column]) -> np.dtype[np.void]:
    """Of the rows; each column a field."""
    fixed = len(FIXED)
    scalars = [(c.name, c.format) for c in columns[:fixed]]
    return np.dtype([*scalars, *((c.name, c.format, (c.size,)) for c in columns[fixed:])])


@dataclass(frozen=True)
class RunRecord:
    """A log that was read."""

    robot: RobotDescription
    contract: Contract  # of the first policy
    fusion: str  # name of the estimator
    header: dict[str, Any]
    rows: npt.NDArray[np.void]  # one a tick; fields are the header's columns
    events: tuple[dict[str, Any], ...]
    damage: tuple[str, ...]  # of the file, a line each

    @property
    def complete(self) -> bool:
        """Whether its run came to an end that it could write."""
        return any(event["event"] == "end" for event in self.events)


def read_run_log(path: Path) -> RunRecord:
    """Read a log as far as it is whole.

    Raises:
        UserError: it cannot be read, is none, or of another version.
    """
    blocks, damage = read_blocks(path)
    if not blocks or blocks[0].kind != HEADER:
        raise UserError(f"'{path}' is damaged: without its header nobody can tell what it holds")
    try:
        return _record(path, blocks, damage)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"'{path}' is not a whole '{FORMAT}': {error}") from None


def _record(path: Path, blocks: list[Block], damage: list[str]) -> RunRecord:
    header = json.loads(blocks[0].payload)
    if header["format"] != FORMAT:
        raise UserError(f"'{path}' is a '{header['format']}', this reads a '{FORMAT}'; update")
    where = str(path)
    columns = [from_json(Column, c, where) for c in header["columns"]]
    dtype = row_dtype(columns)
    rows = [np.frombuffer(b.payload, dtype) for b in blocks if b.kind == ROWS]
    return RunRecord(
        robot=from_json(RobotDescription, header["robot"], where),
        contract=from_metadata(header["policy"]["contract"], where),
        fusion=header["fusion"],
        header=header,
        rows=np.concatenate(rows) if rows else np.zeros(0, dtype),
        events=tuple(json.loads(b.payload) for b in blocks if b.kind == EVENT),
        damage=tuple(damage),
    )
