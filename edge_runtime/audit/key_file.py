"""Keeps the key of the next record on the robot, and nothing of the keys before it."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.files import read_file, sync_folder
from edge_runtime.keys.key_file import KEY_SIZE

KEY_FILE = "next.key"
_LARGEST = 1000  # bytes of the key file


@dataclass(frozen=True)
class NextKey:
    """Holds the key of the record that will be written next."""

    number: int  # of that record
    key: bytes
    before: str  # hash of the record before it, hexadecimal


def read_next_key(folder: Path) -> NextKey:
    """Reads the key file of a log.

    Raises:
        UserError: it is missing, may not be read, or is damaged.
    """
    path = folder / KEY_FILE
    try:
        if not path.exists():
            raise UserError(
                f"{folder} is no audit log (it has no {KEY_FILE}); begin one with "
                f"'sim2edge audit new {folder} --key FILE'"
            )
        document = json.loads(read_file(path, "audit key", _LARGEST))
        found = NextKey(document["number"], bytes.fromhex(document["key"]), document["before"])
        if len(found.key) != KEY_SIZE or type(found.number) is not int or found.number < 0:
            raise ValueError
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is damaged, so nothing can be added; keep this log and begin another one"
        ) from None
    return found


def write_next_key(folder: Path, following: NextKey) -> None:
    """Replaces the key file, through to the disk.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    path, building = folder / KEY_FILE, folder / f".{KEY_FILE}"
    document = {
        "number": following.number,
        "key": following.key.hex(),
        "before": following.before,
    }
    content = json.dumps(document).encode()
    file = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        if os.write(file, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)
    finally:
        os.close(file)
    os.replace(building, path)
    sync_folder(folder)
