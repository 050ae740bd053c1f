"""Encrypts and authenticates with AES-256-GCM (NIST SP 800-38D)."""

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.keys.key_file import KEY_SIZE

NONCE_SIZE, TAG_SIZE = 12, 16  # bytes


class Cipher:
    """Seals contents under one key, and opens what was sealed so.

    Who calls it gives no nonce twice: two contents under one key and nonce give both away.

    Args:
        key: 32 bytes.

    Raises:
        UserError: `cryptography` is not installed, or the key has another size.
    """

    def __init__(self, key: bytes) -> None:
        try:
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415  an extra
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        except ModuleNotFoundError:
            raise UserError(
                f"an experience store needs cryptography; {install_line('learn')}"
            ) from None
        if len(key) != KEY_SIZE:
            raise UserError(f"the key has {len(key)} bytes; it must have {KEY_SIZE}")
        self._cipher, self._altered = AESGCM(key), InvalidTag

    def seal(self, nonce: bytes, content: bytes, beside: bytes) -> bytes:
        """Returns the content encrypted, 16 bytes longer.

        Args:
            nonce: 12 bytes, another one each time.
            content: what is encrypted.
            beside: what is authenticated with it, and not encrypted.
        """
        return self._cipher.encrypt(nonce, content, beside)

    def open(self, nonce: bytes, sealed: bytes, beside: bytes) -> bytes | None:
        """Returns the content; None if it, or what is beside it, is not what was sealed."""
        try:
            return self._cipher.decrypt(nonce, sealed, beside)
        except (self._altered, ValueError):  # too short for a tag
            return None
