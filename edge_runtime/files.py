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
        building.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(building, path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; make room or write elsewhere"
        ) from None
    finally:
        if building.exists():
            building.unlink()
