"""Writing files so that there is never half of one."""

import os
from pathlib import Path


def write_file(path: Path, content: bytes | str) -> None:
    """Write to a temporary file beside it, then rename; on failure the old one is still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(building, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file
        os.replace(building, path)
    finally:
        building.unlink(missing_ok=True)
