"""Keeps the data keys of a store's segments, each wrapped by the master key, in one small file.

To destroy a segment is to overwrite its 64 bytes here, however large it is.
"""

import os
import secrets
import struct
from contextlib import suppress
from pathlib import Path

from edge_runtime.experience.cipher import NONCE_SIZE, TAG_SIZE, Cipher
from edge_runtime.files import sync_folder
from edge_runtime.keys.key_file import KEY_SIZE, new_key

KEYS_FILE = "keys"
_SLOT = struct.Struct(f">I{NONCE_SIZE}s{KEY_SIZE + TAG_SIZE}s")
SLOT_SIZE = _SLOT.size  # 64 bytes, so that no slot crosses a border of the disk's blocks


class WrappedKeys:
    """Reads and writes the file of wrapped keys, in place, through to the disk.

    Data keys are random and wrapped with AES-256-GCM under random nonces, together with the
    header of their segment, so that a key opens its own segment alone.

    Args:
        folder: the store.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / KEYS_FILE

    def size(self) -> int:
        """Returns the size of the file, bytes; 0 without one.

        Raises:
            OSError: it cannot be looked at.
        """
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def slots(self) -> list[bytes]:
        """Returns all slots, 64 bytes each, those without a key too; none without a file.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        whole = len(content) - len(content) % SLOT_SIZE  # a power cut may leave a part of one
        return [content[at : at + SLOT_SIZE] for at in range(0, whole, SLOT_SIZE)]

    def numbers(self) -> set[int]:
        """Returns the numbers of the segments whose keys are here.

        Raises:
            OSError: the file cannot be read.
        """
        return set(self._numbers()) - {0}

    def add(self, number: int, header: bytes, master: Cipher) -> Cipher:
        """Makes the key of a new segment, and returns its cipher when the key is on the disk.

        Raises:
            OSError: it cannot be written.
        """
        key, nonce = new_key(), secrets.token_bytes(NONCE_SIZE)
        numbers = self._numbers()
        place = numbers.index(0) if 0 in numbers else len(numbers)
        slot = _SLOT.pack(number, nonce, master.seal(nonce, key, header))
        try:
            self._write(place * SLOT_SIZE, slot)
        except OSError:
            with suppress(OSError):
                self.remove(number)
            raise
        return Cipher(key)

    def open(self, number: int, header: bytes, master: Cipher) -> Cipher | None:
        """Returns the cipher of a segment; None if no key here is that of this header.

        Raises:
            OSError: the file cannot be read.
        """
        for found, nonce, wrapped in map(_SLOT.unpack, self.slots()):
            if found == number:
                key = master.open(nonce, wrapped, header)
                if key is not None:
                    return Cipher(key)
        return None

    def remove(self, number: int) -> None:
        """Overwrites the key of a segment with zeros.

        Raises:
            OSError: it cannot be written.
        """
        for place, found in enumerate(self._numbers()):
            if found == number:
                self._write(place * SLOT_SIZE, bytes(SLOT_SIZE))

    def destroy(self) -> int:
        """Overwrites all keys with zeros, reads the disk again, and returns how many there were.

        Raises:
            OSError: they cannot be overwritten, or the file holds something else afterwards.
        """
        count = len(self._numbers()) - self._numbers().count(0)
        size = self.size()
        if not size:
            return count
        self._write(0, bytes(size))
        file = os.open(self.path, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # so that the disk is read
            if any(os.pread(file, size + 1, 0)):
                raise OSError(f"{self.path} still holds keys after it was overwritten")
        finally:
            os.close(file)
        return count

    def _numbers(self) -> list[int]:
        """Returns the number of each slot's segment; 0 where there is no key."""
        return [_SLOT.unpack(slot)[0] for slot in self.slots()]

    def _write(self, at: int, content: bytes) -> None:
        is_new = not self.path.exists()
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if os.pwrite(file, content, at) != len(content):
                raise OSError(f"the disk took a part of a key in {self.path} alone")
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:  # or a power cut could take the name, and all that the keys open
            sync_folder(self.path.parent)
