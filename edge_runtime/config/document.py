"""Reads JSON and TOML documents, which may come from anywhere, up to a bounded size and depth."""

import codecs
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.errors import UserError
from edge_runtime.files import read_file

LARGEST = 64_000_000  # bytes of a file
DEEPEST = 40  # objects and lists within each other
_MOST_DIGITS = 1000  # of a whole number; Python's own limit names a function of Python
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_table(path: Path, kind: str) -> dict[str, Any]:
    """Reads a file that holds values by name: JSON if its name ends in .json, else TOML.

    A byte order mark, which editors on Windows write, may stand at its beginning.

    Args:
        path: the file.
        kind: what it should be, for the error message.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    content = read_file(path, kind, LARGEST)
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    where = f"{kind} {path}"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise UserError(
            f"{where} is not UTF-8 text; restore it from a copy, or save it so"
        ) from None
    return parse_table(text, where, toml=path.suffix != ".json")


def parse_table(text: str, where: str, *, toml: bool = False) -> dict[str, Any]:
    """Reads a text that holds values by name.

    Args:
        text: JSON, or TOML.
        where: its place, for the error message.
        toml: whether it is TOML.

    Raises:
        UserError: it is damaged, holds something else, or is nested too deeply.
    """
    try:
        table = _toml(text) if toml else json.loads(text, object_pairs_hook=_once, parse_int=_whole)
    except RecursionError:
        raise UserError(_too_deep(where)) from None
    except ValueError as error:
        raise UserError(f"{where} cannot be read: {error}") from None
    if not isinstance(table, dict):
        raise UserError(f"{where} must hold values by name, not {type(table).__name__}")
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        level = [item for value in level for item in _within(value)]
    if level:
        raise UserError(_too_deep(where))
    return table


def _too_deep(where: str) -> str:
    return f"{where} is nested more than {DEEPEST} deep; restore it from a copy, or write it anew"


def _within(value: Any) -> "list[Any]":
    if isinstance(value, Mapping):
        value = list(value.values())
    return [item for item in value if isinstance(item, (list, dict))]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Builds an object of JSON, of which each key may be there once."""
    table = dict(pairs)
    if len(table) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in table if keys.count(key) > 1)
        raise ValueError(f"'{twice[:60]}' is there twice; leave one of them out")
    return table


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _toml(text: str) -> Any:
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        raise ValueError("TOML needs Python 3.11; write it as JSON in a file named .json") from None
    return toml.loads(text)
