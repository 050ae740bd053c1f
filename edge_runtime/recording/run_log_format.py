"""Defines the format of a run's log: every sample, estimate and command, as the control loop had
them.

The log is a `block_file`. Its first block is a JSON header: the robot, the policy's contract and
hash, the estimator, and the layout of a row, so that the file explains itself. Blocks of rows
follow, one row a tick, and JSON events: another policy, a lost estimator, the end.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.config.config_file import from_json
from edge_runtime.config.document import parse_table
from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract, from_metadata
from edge_runtime.recording.block_file import Block, read_blocks
from edge_runtime.robot.robot import RobotDescription

FORMAT = "sim2edge run log 1"
HEADER, ROWS, EVENT = 0, 1, 2  # kinds of blocks
FIXED = (  # name, format, unit
    ("time", "<i8", "ns"),  # when the tick began, by the loop's clock
    ("sequence", "<i8", "1"),  # of the newest sample; unchanged without a new one
    ("stamp", "<f8", "s"),  # of that sample, by the robot's clock
    ("row", "<u4", "1"),  # counts all ticks; a gap is rows that were lost
    ("tick", "<u4", "1"),  # counts from the first good sample, as in the report
    ("missed", "<u4", "1"),  # periods skipped right before
    ("fused", "<u4", "1"),  # periods by which the estimator was updated; 0: it was not
    ("reset", "u1", "1"),  # whether the estimator was reset before that
    ("lost", "u1", "1"),  # whether the estimator could not be trusted
    ("reaction", "u1", "1"),  # the guard's
    ("mode", "i1", "1"),  # the command's; -1: none was sent
    ("padding", "<u4", "1"),
)
HEAD = struct.Struct("<qqdIIIIBBBb4x")
SENSOR, ESTIMATE = "sensor.", "estimate."  # prefixes of the columns of signals


@dataclass(frozen=True)
class Column:
    """Describes one column of the rows."""

    name: str
    format: str  # numpy's
    size: int
    unit: str
    frame: str = ""


def row_dtype(columns: Sequence[Column]) -> np.dtype[np.void]:
    """Returns the dtype of a row, with a field for each column."""
    fixed = len(FIXED)
    scalars = [(c.name, c.format) for c in columns[:fixed]]
    return np.dtype([*scalars, *((c.name, c.format, (c.size,)) for c in columns[fixed:])])


@dataclass(frozen=True)
class RunRecord:
    """Holds a log that was read."""

    robot: RobotDescription
    contract: Contract  # the first policy's
    fusion: str  # name of the estimator
    header: dict[str, Any]
    rows: npt.NDArray[np.void]  # one a tick, with the header's columns as fields
    events: tuple[dict[str, Any], ...]
    damage: tuple[str, ...]  # a line for each damaged stretch of the file

    @property
    def complete(self) -> bool:
        """Returns whether the log holds the end of its run."""
        return any(event["event"] == "end" for event in self.events)


def read_run_log(path: Path) -> RunRecord:
    """Reads a log as far as it is whole.

    Raises:
        UserError: the file cannot be read, is no log, or has another version.
    """
    blocks, damage = read_blocks(path)
    if not blocks or blocks[0].kind != HEADER:
        raise UserError(f"'{path}' is damaged: without its header its rows cannot be read")
    try:
        return _record(path, blocks, damage)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"'{path}' is not a whole '{FORMAT}': {error}") from None


def _record(path: Path, blocks: list[Block], damage: list[str]) -> RunRecord:
    header = _document(path, blocks[0])
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
        events=tuple(_document(path, b) for b in blocks if b.kind == EVENT),
        damage=tuple(damage),
    )


def _document(path: Path, block: Block) -> dict[str, Any]:
    return parse_table(block.payload.decode(), f"'{path}' is no whole '{FORMAT}': a block of it")
