"""Writes a secret key to a file that nobody else may read, and reads it again."""

import os
import secrets
import stat
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.files import is_stream, read_file, sync_folder

KEY_SIZE = 32  # bytes
_LARGEST = 1000  # bytes of a key's file
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_key() -> bytes:
    """Returns a new random key, 32 bytes."""
    return secrets.token_bytes(KEY_SIZE)


def write_key(path: Path, key: bytes) -> None:
    """Writes a key, hexadecimal, to a new file that its owner alone may read.

    Raises:
        UserError: the file exists, or cannot be written.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "w", encoding="ascii") as stream:
            stream.write(f"{key.hex()}\n")
            stream.flush()
            os.fsync(file)
        sync_folder(path.parent)  # or a power cut could take what the key opens with its name
    except FileExistsError:
        raise UserError(
            f"cannot write {path}: it exists, and may be a key in use; name a new file"
        ) from None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another file") from None


def read_key(path: Path, kind: str, command: str) -> bytes:
    """Reads a key of 32 bytes from its file.

    Args:
        path: the file, which holds the key as 64 hexadecimal digits.
        kind: what the key is of, such as "an audit log", for the error message.
        command: what writes such a file, for the error message.

    Raises:
        UserError: it cannot be read, or holds no such key.
    """
    try:
        key = bytes.fromhex(read_file(path, "key", _LARGEST).decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        raise UserError(f"{path} is no key of {kind}; '{command}' writes one")
    return key


def check_private(path: Path) -> None:
    """Refuses a file that others may read or write; a pipe has no others.

    Raises:
        UserError: others may, or the file cannot be looked at.
    """
    if is_stream(path):
        return
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        raise UserError(f"cannot read key {path}: {error.strerror}") from None
    if mode & _OTHERS:
        raise UserError(f"others may read key {path} (mode {mode:04o}); run 'chmod 600 {path}'")
