"""Writes files whole or not at all."""

import os
import tempfile
from pathlib import Path

from edge_runtime.errors import UserError


def make_folder(path: Path) -> None:
    """Makes a folder, and checks that files can be written there.

    Raises:
        UserError: no file can be written there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}; name another folder") from None


def cache_folder(name: str) -> Path:
    """Returns the folder of that name in ~/.cache/sim2edge, for what can be made again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sim2edge" / name


def sync_folder(path: Path) -> None:
    """Writes a folder through to the disk, or a power cut could lose the name of a new file."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_file(path: Path, content: bytes | str) -> None:
    """Writes a temporary file beside `path`, then rename it.

    Raises:
        UserError: the disk is full or read-only; the old file at `path` is still there.
    """
    building = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        with building.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name without content
        os.replace(building, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; make room or write elsewhere"
        ) from error
    finally:
        if building.exists():
            building.unlink()
