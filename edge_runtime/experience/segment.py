"""Writes and reads a segment: a file of encrypted records under a key of its own.

A segment is a header, which is not secret, and records. A record is a head (marker, number, size)
and rows, encrypted; its number, which counts from 0, is its nonce, and its head is authenticated
with it. A record without rows says that the segment was closed.
"""

import json
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.config.config_file import from_json, to_json
from edge_runtime.config.document import parse_table
from edge_runtime.errors import UserError
from edge_runtime.experience.cipher import TAG_SIZE, Cipher
from edge_runtime.experience.identity import FORMAT
from edge_runtime.experience.layout import Layout
from edge_runtime.files import sync_folder

LARGEST = 64_000_000  # bytes of a segment
_MARKER = b"\x91s2e exp"
_RECORD = struct.Struct(">8sQI")  # marker, number, bytes that follow
_LENGTH = struct.Struct(">I")
_LONGEST_HEADER = 1_000_000  # bytes
OVERHEAD = _RECORD.size + TAG_SIZE  # bytes of a record beside its rows


@dataclass(frozen=True)
class Header:
    """Says what a segment holds; it is authenticated, and not secret."""

    format: str
    number: int
    robot_id: str
    layout: Layout

    def encoded(self) -> bytes:
        """Returns the header as it stands at the beginning of the file."""
        document = json.dumps(to_json(self)).encode()
        return _MARKER + _LENGTH.pack(len(document)) + document


class SegmentWriter:
    """Appends records to a new segment.

    Args:
        path: the file, which must not be there.
        header: what stands at its beginning.

    Raises:
        OSError: it cannot be written, or is there.
    """

    def __init__(self, path: Path, header: bytes) -> None:
        self.path, self.size = path, len(header)
        self._number = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self._write(header)
            os.fsync(self._file)
            sync_folder(path.parent)
        except OSError:
            os.close(self._file)
            with suppress(OSError):
                path.unlink()
            raise

    def append(self, rows: bytes, cipher: Cipher) -> None:
        """Writes a record with rows.

        Raises:
            OSError: it cannot be written; nothing more may be appended, for its number is spent.
        """
        head = _RECORD.pack(_MARKER, self._number, len(rows) + TAG_SIZE)
        record = head + cipher.seal(_nonce(self._number), rows, head)
        self._number += 1
        try:
            self._write(record)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(record)

    def sync(self) -> None:
        """Writes all records through to the disk.

        Raises:
            OSError: the disk refused them.
        """
        os.fdatasync(self._file)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:  # a disk that fills up first takes a part
            left = left[os.write(self._file, left) :]


def split(content: bytes) -> tuple[bytes, bytes]:
    """Splits a segment into its header, as encoded, and its records; both empty if cut off."""
    start = len(_MARKER) + _LENGTH.size
    if len(content) < start:
        return b"", b""
    (length,) = _LENGTH.unpack(content[len(_MARKER) : start])
    if length > _LONGEST_HEADER or len(content) < start + length:
        return b"", b""
    return content[: start + length], content[start + length :]


def parse_header(encoded: bytes, where: str) -> Header:
    """Reads a header that was found authentic.

    Raises:
        UserError: it is of another format.
    """
    text = encoded[len(_MARKER) + _LENGTH.size :].decode()
    document = parse_table(text, where)
    if document.get("format") != FORMAT:
        raise UserError(f"{where} is not of a '{FORMAT}'; update sim2edge, or erase the store")
    return from_json(Header, document, where)


def records(content: bytes, cipher: Cipher) -> Iterator[bytes | str]:
    """Yields the rows of each whole record, and a line for each stretch that is damaged.

    What is behind the last whole record is taken for a write that a power cut interrupted, and is
    left out without a word.

    Args:
        content: the segment behind its header.
        cipher: the segment's.
    """
    at, expected = 0, 0
    while at < len(content):
        rows, number, end = _record(content, at, cipher)
        start = at
        while rows is None:
            at = content.find(_MARKER, at + 1)
            if at < 0:
                return
            rows, number, end = _record(content, at, cipher)
        if number > expected:
            last = number - 1
            which = f"record {last} is" if last == expected else f"records {expected} to {last} are"
            yield f"{which} damaged or missing"
        elif number < expected:
            yield f"record {number} stands there again"
        elif at > start:
            yield f"{at - start} bytes before record {number} are none of it"
        if number >= expected:
            yield rows
            expected = number + 1
        at = end


def _record(content: bytes, at: int, cipher: Cipher) -> tuple[bytes | None, int, int]:
    """Returns the rows of the record at a place, None if none is whole; its number; its end."""
    head = content[at : at + _RECORD.size]
    if len(head) < _RECORD.size:
        return None, 0, at
    marker, number, size = _RECORD.unpack(head)
    end = at + _RECORD.size + size
    if marker != _MARKER or end > len(content):
        return None, 0, at
    return cipher.open(_nonce(number), content[at + _RECORD.size : end], head), number, end


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
