"""Signs with the key of a log or a server (Ed25519, RFC 8032), and verifies by its public key."""

import os
from pathlib import Path
from typing import Any

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line

SIGNING_KEY = "signing.pem"
CHECKPOINT_MEANING = b"sim2edge audit: checkpoint "
COUNTERSIGNED_MEANING = b"sim2edge audit: countersigned "


class Signer:
    """Signs with the key in a folder.

    Args:
        folder: the log, or the folder of a server.

    Raises:
        UserError: `cryptography` is not installed, or the key cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._key = _read(folder / SIGNING_KEY)
        self.public: str = self._key.public_key().public_bytes_raw().hex()

    def sign(self, text: str, meaning: bytes = CHECKPOINT_MEANING) -> str:
        """Signs a text; returns the signature, hexadecimal.

        Args:
            text: what is signed: by default the hash of a log's last record.
            meaning: what the signature says of it, so that it stands for nothing else.
        """
        signature: bytes = self._key.sign(meaning + text.encode())
        return signature.hex()


def new_signing_key(folder: Path) -> None:
    """Makes the key of a robot or a server in a folder.

    Raises:
        UserError: `cryptography` is not installed.
        OSError: the key cannot be written.
    """
    _check_installed()
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  an extra
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    text = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = os.open(folder / SIGNING_KEY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(file, "wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(file)


def is_signed(public: str, text: str, signature: str, meaning: bytes = CHECKPOINT_MEANING) -> bool:
    """Returns whether a signature over a text is that of a public key.

    Args:
        public: the key, hexadecimal.
        text: what was signed: by default the hash of a record.
        signature: the signature, hexadecimal.
        meaning: what the signature says of it.

    Raises:
        UserError: `cryptography` is not installed.
    """
    _check_installed()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), meaning + text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(path: Path) -> Any:
    _check_installed()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"cannot read the signing key {path} ({error}); keep its folder and begin another one"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path} is no Ed25519 key; 'sim2edge audit new' or 'server' makes one")
    return key


def _check_installed() -> None:
    try:
        import cryptography  # noqa: PLC0415, F401
    except ModuleNotFoundError:
        raise UserError(f"an audit log needs cryptography; {install_line('audit')}") from None
