"""Reading what a user writes in TOML or JSON."""

import importlib
import json
from pathlib import Path
from typing import Any

from edge_runtime.errors import UserError


def read_document(path: Path, kind: str) -> Any:
    """What the file holds; JSON if its name ends in .json, else TOML.

    Args:
        path: the file.
        kind: what it should be, for the error message.

    Raises:
        UserError: it cannot be read.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"cannot read {kind} {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{kind} {path} is not a text file") from None
    try:
        return json.loads(text) if path.suffix == ".json" else _toml(text)
    except ValueError as error:
        raise UserError(f"{kind} {path} cannot be read: {error}") from None


def _toml(text: str) -> Any:
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        raise ValueError("TOML needs Python 3.11; write it as JSON in a file named .json") from None
    return toml.loads(text)
