"""Writing files so that there is never half of one."""

import os
from pathlib import Path

from edge_runtime.errors import UserError


def write_file(path: Path, content: bytes | str) -> None:
    """Write to a temporary file beside it, then rename.

    Raises:
        UserError: the disk is full or may not be written to; what was at `path` is still there.
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
