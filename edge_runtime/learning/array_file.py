"""Writes and reads named arrays in a file, without pickle (.npz, as numpy writes it)."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.files import read_file, write_file

LARGEST = 50_000_000  # bytes of all arrays together

Arrays = Mapping[str, npt.NDArray[Any]]


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Writes arrays by name, as a whole.

    Raises:
        UserError: the file cannot be written.
    """
    content = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez(content, **named)
    write_file(path, content.getvalue())


def read_arrays(path: Path, kind: str) -> dict[str, npt.NDArray[Any]]:
    """Reads arrays by name, of which all numbers are finite.

    Args:
        path: the file.
        kind: what it should be, for the error message.

    Raises:
        UserError: the file cannot be read, is damaged or something else.
    """
    content = read_file(path, kind, LARGEST)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # a small one may unpack to any size
            too_large = sum(entry.file_size for entry in archive.infolist()) > LARGEST
        if too_large:
            raise ValueError
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        if not all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind in "fc"):
            raise ValueError
    except Exception:  # zipfile, zlib and numpy share no other base
        raise UserError(f"{path} is no {kind}, or damaged; copy it again") from None
    return arrays
