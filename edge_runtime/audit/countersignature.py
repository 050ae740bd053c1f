"""Describes the receipt with which a server vouches for what it has seen of a robot's log."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from edge_runtime.audit.signature import COUNTERSIGNED_MEANING, Signer, is_signed
from edge_runtime.audit.verdict import Receipt
from edge_runtime.config.document import read_table
from edge_runtime.errors import UserError
from edge_runtime.files import write_file

COUNTERSIGNED_FILE = "countersigned.json"
"""Name of a server's newest receipt in the folder of a log."""
_HASH = re.compile("[0-9a-f]{64}")
_TEXTS = ("hash", "robot", "time", "server", "signature")


@dataclass(frozen=True)
class Countersignature:
    """Holds which checkpoint of which robot a server has seen, when, and its signature of that."""

    number: int  # of the checkpoint's record
    hash: str  # of that record, and so of all before it, hexadecimal
    robot: str  # the robot's public key, hexadecimal
    time: str  # UTC, ISO 8601, by the server's clock
    server: str  # the server's public key, hexadecimal
    signature: str = ""  # hexadecimal

    @property
    def receipt(self) -> Receipt:
        """Returns what was seen of the log."""
        return Receipt(self.number, self.hash)

    def signed(self, signer: Signer) -> "Countersignature":
        """Returns it with the signature of the server's key."""
        signature = signer.sign(self._signed_text(), COUNTERSIGNED_MEANING)
        return Countersignature(**{**asdict(self), "signature": signature})

    def is_signed_by(self, server: str) -> bool:
        """Returns whether it is as the holder of a server's key wrote it."""
        text = self._signed_text()
        return is_signed(server, text, self.signature, COUNTERSIGNED_MEANING)

    def write(self, path: Path) -> None:
        """Writes it to a file, whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        write_file(path, json.dumps(asdict(self), indent=2) + "\n")

    def _signed_text(self) -> str:
        content = asdict(self)
        del content["signature"], content["server"]
        return json.dumps(content, sort_keys=True, separators=(",", ":"))


def read_countersignature(path: Path) -> Countersignature:
    """Reads a server's receipt from its file; its signature is not looked at.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    document = read_table(path, "receipt")
    number, texts = document.get("number"), [document.get(name) for name in _TEXTS]
    whole = type(number) is int and number >= 0 and all(isinstance(text, str) for text in texts)
    if whole and set(document) == {"number", *_TEXTS} and _HASH.fullmatch(document["hash"]):
        try:
            if datetime.fromisoformat(document["time"]).tzinfo is not None:
                return Countersignature(**document)
        except ValueError:
            pass
    raise UserError(f"{path} is no receipt of a server; 'sim2edge audit countersign' writes one")
