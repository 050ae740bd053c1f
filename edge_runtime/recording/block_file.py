"""Appends blocks with checksums to a file.

After a crash or a power cut the file can be read up to the last whole block. A reader leaves
damaged blocks out, names them, and goes on behind them.
"""

import errno
import mmap
import os
import stat
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_runtime.errors import UserError
from edge_runtime.files import follow, open_stream, sync_folder

MARKER = b"\x93s2e blk"  # at the start of each block; no text file begins like this
_HEAD = struct.Struct("<8sIIII")  # marker, checksum of all that follows it, kind, number, length
_CHECKED = 12  # the checksum covers the bytes from here on


class Block(NamedTuple):
    """Holds one block of a file."""

    kind: int
    number: int  # counts the blocks of the file
    payload: bytes


class BlockFile:
    """Writes blocks to a new file, a device or a pipe; an old file is kept as `NAME~`.

    Args:
        path: the file; missing folders are made.
        limit: largest size of the file, bytes.

    Raises:
        UserError: the file cannot be written there.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.limit = limit
        self.size, self._number = 0, 0
        self._before: Path | None = None
        self._in_use = threading.Lock()
        try:
            self.path = follow(path)
            stream = open_stream(self.path, path)
            self._is_stream = stream is not None
            self._file = self._create() if stream is None else stream
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; name another file") from None

    def _create(self) -> int:
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            self._before = path.with_name(f"{path.name}~")
            os.replace(path, self._before)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        if self._before is not None:
            os.fchmod(file, stat.S_IMODE(self._before.stat().st_mode))
        sync_folder(path.parent)
        return file

    def append(self, kind: int, payload: bytes) -> None:
        """Writes a block through to the disk.

        Raises:
            OSError: the disk refused it, or it would pass the limit; the file is as before.
        """
        block = _sealed(kind, self._number, payload)
        if self.size + len(block) > self.limit:
            raise OSError(errno.EFBIG, f"its limit of {self.limit / 1e6:g} MB is reached")
        with self._in_use:
            try:
                _write_all(self._file, block)
                if not self._is_stream:
                    os.fdatasync(self._file)
            except OSError:
                if not self._is_stream:
                    os.ftruncate(self._file, self.size)
                    os.lseek(self._file, self.size, os.SEEK_SET)
                raise
            self.size += len(block)
            self._number += 1

    def close(self) -> None:
        """Closes the file; removes one without a block, and restores the old file then.

        It does not wait for a write that hangs in another thread.
        """
        if not self._in_use.acquire(blocking=False):
            return
        os.close(self._file)
        self._file = -1
        self._in_use.release()
        if self.size or self._is_stream:
            return
        self.path.unlink(missing_ok=True)
        if self._before is not None:
            os.replace(self._before, self.path)


def _sealed(kind: int, number: int, payload: bytes) -> bytes:
    checked = _HEAD.pack(MARKER, 0, kind, number, len(payload))[_CHECKED:]
    checksum = zlib.crc32(payload, zlib.crc32(checked))
    return _HEAD.pack(MARKER, checksum, kind, number, len(payload)) + payload


def _write_all(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:  # a disk that fills up first takes a part
        left = left[os.write(file, left) :]


def is_block_file(path: Path) -> bool:
    """Returns whether the file begins with a block."""
    try:
        with path.open("rb") as file:
            return file.read(len(MARKER)) == MARKER
    except OSError:
        return False


def read_blocks(path: Path) -> tuple[list[Block], list[str]]:
    """Returns all whole blocks, and a line for each stretch that is damaged or torn off.

    Raises:
        UserError: the file cannot be read or is empty.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = list(_stretches(data))
    except ValueError:
        raise UserError(f"'{path}' is empty") from None
    except OSError as error:
        raise UserError(f"cannot read '{path}': {error.strerror}") from None
    blocks = [item for item in found if isinstance(item, Block)]
    return blocks, [item for item in found if isinstance(item, str)]


def _stretches(data: mmap.mmap) -> Iterator[Block | str]:
    """Yields whole blocks, and a line for each damaged stretch between them."""
    at, expected = 0, 0
    while at < len(data):
        block = _block(data, at)
        if block is not None:
            yield block
            at += _HEAD.size + len(block.payload)
            expected = block.number + 1
            continue
        begin = at
        while at >= 0 and block is None:
            at = data.find(MARKER, at + 1)
            block = _block(data, at) if at >= 0 else None
        if block is None:
            yield f"{len(data) - begin:,} bytes after block {expected - 1} are torn off; left out"
            return
        last = block.number - 1
        which = f"block {expected} is" if last <= expected else f"blocks {expected} to {last} are"
        yield f"{which} damaged ({at - begin:,} bytes); left out"


def _block(data: mmap.mmap, at: int) -> Block | None:
    head = data[at : at + _HEAD.size]
    if len(head) < _HEAD.size:
        return None
    marker, checksum, kind, number, length = _HEAD.unpack(head)
    payload = data[at + _HEAD.size : at + _HEAD.size + length]
    if marker != MARKER or len(payload) < length:
        return None
    if zlib.crc32(payload, zlib.crc32(head[_CHECKED:])) != checksum:
        return None
    return Block(kind, number, payload)
