"""Says in a small file which robot's experience a store holds, and knows its master key again."""

import json
import secrets
from contextlib import suppress
from pathlib import Path

from edge_runtime.config.document import read_table
from edge_runtime.errors import UserError
from edge_runtime.experience.cipher import NONCE_SIZE, Cipher
from edge_runtime.files import sync_folder, write_file

IDENTITY_FILE = "store.json"
FORMAT = "sim2edge experience 1"


def write_identity(folder: Path, master: Cipher, robot_id: str) -> None:
    """Writes the file, through to the disk.

    Raises:
        UserError: it cannot be written.
        OSError: the folder cannot be written through.
    """
    nonce = secrets.token_bytes(NONCE_SIZE)
    check = nonce + master.seal(nonce, b"", _meaning(robot_id))
    document = {"format": FORMAT, "robot_id": robot_id, "check": check.hex()}
    write_file(folder / IDENTITY_FILE, json.dumps(document, indent=2) + "\n")
    sync_folder(folder)


def check_identity(folder: Path, master: Cipher, robot_id: str = "") -> str:
    """Returns which robot a store is of.

    Args:
        folder: the store.
        master: the cipher of the master key that is given.
        robot_id: which robot it must be; any if empty.

    Raises:
        UserError: there is no store, or it is of another robot, of another key or of another
            format.
    """
    path = folder / IDENTITY_FILE
    with suppress(OSError):  # its reader says what is wrong
        if not path.exists():
            raise UserError(f"{folder} is no experience store (it has no {IDENTITY_FILE})")
    document = read_table(path, "experience store")
    if document.get("format") != FORMAT:
        raise UserError(f"{path} is not of a '{FORMAT}'; update sim2edge, or erase the store")
    found, check = document.get("robot_id"), document.get("check")
    if not isinstance(found, str) or not isinstance(check, str):
        raise UserError(f"{path} is damaged; restore it from a copy, or erase the store")
    if robot_id and found != robot_id:
        raise UserError(
            f"{folder} holds the experience of robot '{found[:80]}', not of '{robot_id[:80]}'; "
            "name another folder, or erase it"
        )
    sealed = b""
    with suppress(ValueError):
        sealed = bytes.fromhex(check)
    nonce, sealed = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:]
    if len(nonce) < NONCE_SIZE or master.open(nonce, sealed, _meaning(found)) is None:
        raise UserError(
            f"the key is not that of {folder}; give the one that it was begun with, or erase it"
        )
    return found


def _meaning(robot_id: str) -> bytes:
    return f"{FORMAT}\n{robot_id}".encode()
