"""Destroys what a store holds, and proves it."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.experience.cipher import Cipher
from edge_runtime.experience.identity import IDENTITY_FILE, check_identity
from edge_runtime.experience.reader import segment_paths
from edge_runtime.experience.segment import LARGEST, split
from edge_runtime.experience.wrapped_keys import WrappedKeys
from edge_runtime.files import lock, read_file, sync_folder


@dataclass(frozen=True)
class Erasure:
    """Says what was destroyed."""

    keys: int  # data keys, overwritten on the disk and read again as zeros
    segments: int  # files, unlinked
    bytes: int  # of these files
    opened_before: int | None  # segments that the master key could open; None without it
    opened_after: int | None  # of these, those it still could before they were unlinked: 0

    def lines(self) -> list[str]:
        """Returns the proof in sentences."""
        proof = [f"{self.keys} keys were overwritten, and read again from the disk as zeros"]
        if self.opened_before is not None:
            proof.append(
                f"of {self.segments} segments the master key opened {self.opened_before} before, "
                f"and {self.opened_after} after that"
            )
        proof.append(f"{self.segments} segments, {self.bytes / 1e6:.3f} MB, were removed")
        return proof


def erase(folder: Path, key: bytes | None = None, *, locked: bool = False) -> Erasure:
    """Destroys all experience of a store.

    The wrapped keys of all segments, 64 bytes each in one file, are overwritten with zeros
    through to the disk, and read again from there. With the master key it is tried to open each
    segment before and after that. Then all files are removed. Interrupted at any point, it can be
    called again.

    What overwriting cannot do: flash memory writes new content elsewhere and keeps the old pages
    until it reuses them, and so do file systems that copy on write or keep snapshots. Who reads
    the chips can find the wrapped keys there, and open with them what is found of the segments,
    if they have the master key too. So the master key is replaced after an erasure, and best
    never lies on the flash at all: sealed by a TPM, or in a credential that comes from elsewhere.

    Args:
        folder: the store.
        key: its master key, with which it is tried to open the segments.
        locked: whether the caller has the store's lock.

    Raises:
        UserError: there is no store, the key is not its key, a process writes it, or something
            could not be destroyed.
    """
    with ExitStack() as stack:
        try:
            paths = segment_paths(folder)
            keys = WrappedKeys(folder)
            if not paths and not any(p.exists() for p in (keys.path, folder / IDENTITY_FILE)):
                raise UserError(f"{folder} is no experience store; nothing was erased")
            if not locked:
                stack.enter_context(lock(folder, "experience store"))
            if key is not None:
                check_identity(folder, Cipher(key))
            size = sum(path.stat().st_size for path in paths.values())
            before = None if key is None else _opened(keys, paths, key)
            destroyed = keys.destroy()
            after = None if key is None else _opened(keys, paths, key)
            if after:
                raise UserError(f"{after} segments of {folder} can still be opened; erase it again")
            # The identity goes last, for it is asked when this is interrupted and called again.
            for files in ((*paths.values(), keys.path), (folder / IDENTITY_FILE,)):
                for path in files:
                    path.unlink(missing_ok=True)
                sync_folder(folder)
        except OSError as error:
            raise UserError(
                f"cannot erase {folder}: {error.strerror or error}; erase it again"
            ) from None
    return Erasure(destroyed, len(paths), size, before, after)


def _opened(keys: WrappedKeys, paths: dict[int, Path], key: bytes) -> int:
    """Returns how many segments the master key opens."""
    master, count = Cipher(key), 0
    for number, path in paths.items():
        with suppress(UserError):  # what cannot be read cannot be opened
            header, _ = split(read_file(path, "segment", LARGEST))
            count += keys.open(number, header, master) is not None
    return count
