"""Keeps an audit log's records in files of a folder, of which the oldest are removed one day."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.audit.record import LARGEST
from edge_runtime.errors import UserError
from edge_runtime.files import check_file, sync_folder

_NAME = re.compile(r"audit-(\d{12})\.jsonl")


@dataclass(frozen=True)
class Segment:
    """Names a file with consecutive records, one a line."""

    path: Path
    first: int  # number of its first record

    def lines(self) -> Iterator[bytes]:
        """Yields its lines without their ends; the last one may be cut off.

        What is longer than any record comes in pieces.

        Raises:
            UserError: the file cannot be read.
        """
        try:
            check_file(self.path, "audit log")
            with self.path.open("rb") as file:
                while line := file.readline(LARGEST + 2):
                    yield line.removesuffix(b"\n")
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from None

    def is_torn(self) -> bool:
        """Returns whether the last line has no end, as after a power cut.

        Raises:
            UserError: the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                return file.read(1) not in (b"", b"\n")
        except OSError as error:
            raise UserError(f"cannot read {self.path}: {error.strerror}") from None


def segments_of(folder: Path) -> list[Segment]:
    """Returns a log's files in order, one at least.

    Raises:
        UserError: the folder cannot be read, or holds no log.
    """
    try:
        names = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    except OSError as error:
        raise UserError(f"cannot read audit log {folder}: {error.strerror}") from None
    found = [Segment(path, int(name[1])) for path, name in names if name]
    if not found:
        raise UserError(
            f"{folder} holds no audit log; begin one with 'sim2edge audit new {folder} --key FILE'"
        )
    return sorted(found, key=lambda segment: segment.first)


def new_segment(folder: Path, first: int) -> Segment:
    """Makes an empty file for the records from a number on; one without any may be there.

    Raises:
        OSError: it cannot be made.
    """
    path = folder / f"audit-{first:012d}.jsonl"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o640))
    sync_folder(folder)
    return Segment(path, first)
