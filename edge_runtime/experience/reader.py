"""Reads an experience store, also while it is written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.experience.cipher import Cipher
from edge_runtime.experience.identity import check_identity
from edge_runtime.experience.layout import Layout, Rows
from edge_runtime.experience.segment import LARGEST, parse_header, records, split
from edge_runtime.experience.wrapped_keys import WrappedKeys
from edge_runtime.files import read_file

_NAME = re.compile(r"experience-(\d{10})")


def segment_path(folder: Path, number: int) -> Path:
    """Returns the file of a store's segment, by its number from 1."""
    return folder / f"experience-{number:010d}"


def segment_paths(folder: Path) -> dict[int, Path]:
    """Returns the files of a store's segments by number, oldest first.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        names = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    except OSError as error:
        raise UserError(f"cannot read experience store {folder}: {error.strerror}") from None
    return dict(sorted((int(name[1]), path) for path, name in names if name))


@dataclass(frozen=True)
class Segment:
    """Holds a segment that was opened with its key."""

    number: int
    layout: Layout
    pieces: tuple[bytes | str, ...]  # as `records` yields them

    def rows(self) -> Iterator[Rows]:
        """Yields its records' rows, oldest first, as arrays (n,) that cannot be changed."""
        for piece in self.pieces:
            if isinstance(piece, bytes) and piece:  # the last one of a closed segment is empty
                yield np.frombuffer(piece, self.layout.dtype)


class ExperienceReader:
    """Yields what is whole in a store, and names what is not.

    Args:
        folder: the store.
        key: its master key, 32 bytes.
        robot_id: which robot it must be of; any if empty.

    Raises:
        UserError: there is no store, it is of another robot or key, or `cryptography` is not
            installed.
    """

    def __init__(self, folder: Path, key: bytes, robot_id: str = "") -> None:
        self.folder = folder
        self._master = Cipher(key)
        self.robot_id = check_identity(folder, self._master, robot_id)
        self._keys = WrappedKeys(folder)
        self.damage: list[str] = []
        """A line for each part that was damaged or missing when the store was read last."""

    def segments(self, policy: str = "") -> Iterator[Segment]:
        """Yields the segments that can be opened, oldest first.

        Args:
            policy: SHA-256 of the policy whose experience is wanted; all policies' if empty.

        Raises:
            UserError: the folder or the keys cannot be read, or a segment is of another robot.
        """
        self.damage = []
        with_keys = self._numbers()
        paths = segment_paths(self.folder)
        for number in sorted(with_keys - set(paths)):
            if number in self._numbers():  # its writer removes the key first
                self.damage.append(f"segment {number} is missing")
        for number, path in paths.items():
            segment = self._open(number, path, policy)
            if segment is not None:
                lines = [piece for piece in segment.pieces if isinstance(piece, str)]
                self.damage += [f"segment {number}: {line}" for line in lines]
                yield segment

    def read(self, policy: str = "") -> Iterator[Rows]:
        """Yields the rows of all whole records, oldest first, an array (n,) for each record.

        Args:
            policy: SHA-256 of the policy whose experience is wanted; all policies' if empty, whose
                rows may differ in layout.

        Raises:
            UserError: as of `segments`.
        """
        for segment in self.segments(policy):
            yield from segment.rows()

    def _open(self, number: int, path: Path, policy: str) -> Segment | None:
        try:
            content = read_file(path, "segment", LARGEST)
        except UserError as error:
            if path.exists():
                self.damage.append(str(error))
            return None  # the writer has just removed it
        encoded, rest = split(content)
        cipher = self._keys.open(number, encoded, self._master)
        if cipher is None:
            # A power cut leaves no records without a key, and no key without a whole header.
            if number in self._numbers() and (rest or not encoded):
                self.damage.append(f"segment {number}: its header or its key was altered")
            elif rest:
                self.damage.append(f"segment {number}: its key was destroyed")
            return None
        header = parse_header(encoded, str(path))
        if header.robot_id != self.robot_id:
            raise UserError(
                f"{path} is of robot '{header.robot_id[:80]}', not of '{self.robot_id[:80]}'; "
                "remove this file"
            )
        if policy not in ("", header.layout.policy):
            return None
        return Segment(number, header.layout, tuple(records(rest, cipher)))

    def _numbers(self) -> set[int]:
        try:
            return self._keys.numbers()
        except OSError as error:
            raise UserError(f"cannot read {self._keys.path}: {error.strerror}") from None
