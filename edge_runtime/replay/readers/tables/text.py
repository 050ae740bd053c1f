"""Reads tables that are text: CSV, with tabs, semicolons or blanks, with a heading or without."""

import csv
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.files import read_file
from edge_runtime.replay.readers.tables.columns import Columns

_LARGEST = 2_000_000_000  # bytes
_SEPARATORS = (",", ";", "\t", None)  # None: blanks
_COMMENTS = ("#", "%", "//")
_NOTHING = ("", "-", "null", "none", "na", "n/a")  # for a number that is missing
_LOOKED_AT = 200  # lines at the beginning, among which the numbers begin
_FEWEST = 4  # columns of a table that can hold an IMU
# Between commas, such a field in quotation marks is 1.234 in one country and 1234 in another.
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE)


def read_text(path: Path) -> tuple[Columns, list[str]]:
    """Reads a table, and says what is wrong with it, a line each.

    Raises:
        UserError: it cannot be read, or is no table of numbers.
    """
    lines = _decoded(read_file(path, "log", _LARGEST)).splitlines()
    separator, first = _begin(path, lines)
    rows = _rows(path, lines[first:], separator)
    if all(row[-1].strip() == "" for row in rows):  # each line ends with a separator
        rows = [row[:-1] for row in rows]
    notes = []
    width = len(rows[0])
    if len(rows) > 1 and len(rows[-1]) != width:
        rows.pop()
        notes.append("the last line is cut off, and left out")
    for number, row in enumerate(rows):
        if len(row) != width:
            raise UserError(
                f"'{path}' has {len(row)} columns in row {number + 1} of its numbers, and {width} "
                "in the first; give each row as many"
            )
    names = _names(lines[:first], separator, width)
    rows = [row for row in rows if row != names]  # a heading again, where logs were joined
    texts = {name: list(values) for name, values in zip(names, zip(*rows))}
    if separator == ",":
        _check_commas(path, texts)
    columns = {name: _column(values) for name, values in texts.items()}
    return columns, notes


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _begin(path: Path, lines: list[str]) -> tuple[str | None, int]:
    """Returns the separator, and the first line of numbers.

    Raises:
        UserError: there is none.
    """
    for number, line in enumerate(lines[:_LOOKED_AT]):
        for separator in _SEPARATORS:
            fields = _fields(line, separator)
            if len(fields) >= _FEWEST and _is_row(fields):
                return separator, number
    raise UserError(
        f"'{path}' is no log that can be replayed: it is text without a table of numbers; a table "
        f"has a row for each reading, with {_FEWEST} or more columns for the time and the sensors"
    )


def _is_row(fields: list[str]) -> bool:
    """Returns whether most of a line's fields are numbers; a frame's name or a date may be none."""
    return sum(_number(field) is not None for field in fields) >= max(3, len(fields) // 2)


def _fields(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a field is too long
        return []


def _rows(path: Path, lines: list[str], separator: str | None) -> list[list[str]]:
    """Returns the fields of each line that is not empty nor a comment.

    Raises:
        UserError: a field is longer than any number.
    """
    kept = [line for line in lines if line.strip() and not line.lstrip().startswith(_COMMENTS)]
    if separator is None:
        return [line.split() for line in kept]
    try:
        return list(csv.reader(kept, delimiter=separator, skipinitialspace=True))
    except csv.Error:
        raise UserError(
            f"'{path}' has a field of more than {csv.field_size_limit():,} characters among its "
            "numbers, perhaps since a quotation mark is not closed; mend it, or leave the line out"
        ) from None


def _names(before: list[str], separator: str | None, width: int) -> list[str]:
    """Returns the names of the columns, by the last line before the numbers; else 1, 2, 3."""
    for line in reversed([line for line in before if line.strip()]):
        names = [name.strip() for name in _fields(line.strip().lstrip("#%/ "), separator)]
        if len(names) == width + 1 and not names[-1]:
            names.pop()
        if len(names) == width:
            return _unique([name or str(number) for number, name in enumerate(names, 1)])
        break
    return [str(number) for number in range(1, width + 1)]


def _check_commas(path: Path, columns: dict[str, list[str]]) -> None:
    """Refuses numbers whose comma may be a decimal one or one between thousands.

    Raises:
        UserError: names the column.
    """
    for name, texts in columns.items():
        commas = [text.strip() for text in texts if "," in text]
        if commas and all(map(_EITHER.fullmatch, commas)):
            raise UserError(
                f"'{path}' has the number '{commas[0]}' in column '{name}': is its comma a decimal "
                "one? write 1.234 or 1234"
            )


def _unique(names: list[str]) -> list[str]:
    """Returns names of which no two are alike: the place of a column is added to a second one."""
    return [f"{n} ({k})" if n in names[: k - 1] else n for k, n in enumerate(names, 1)]


def _number(text: str) -> float | None:
    text = text.strip()
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return np.nan if text.lower() in _NOTHING else None


def _column(texts: list[str]) -> npt.NDArray[np.generic]:
    """Returns numbers, whole ones as int64 so that ns since 1970 stay exact, or the text."""
    try:
        return np.array(list(map(int, texts)), np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array(list(map(float, texts)))
    except ValueError:
        numbers = [_number(text) for text in texts]
    if None in numbers:
        return np.array(texts)
    return np.array(numbers, np.float64)
