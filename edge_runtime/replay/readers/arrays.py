"""Reads the named arrays of an .npz file, or raises one line that says what is wrong with it."""

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.signals import Float

Arrays = dict[str, npt.NDArray[np.generic]]


def load_arrays(path: Path) -> Arrays:
    """Reads all arrays of the file.

    Raises:
        UserError: it is not there, truncated, damaged, or no .npz.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise UserError(f"'{path}' holds one array alone; a log has several, as .npz")
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise UserError(f"there is no '{path}'") from None
    except IsADirectoryError:
        raise UserError(f"'{path}' is a folder; name one log in it") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"'{path}' is truncated, damaged or no .npz: {error}") from None


def equally_long(
    path: Path, what: str, arrays: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Float]:
    """Returns arrays with one row for each moment, checked for shape and equal length.

    Args:
        path: the file they are of.
        what: it should be.
        arrays: that it holds.
        shapes: of one row of each that it must have.

    Raises:
        UserError: one is lacking, not of numbers, or of another shape.
    """
    lacking = [name for name in shapes if name not in arrays]
    if lacking:
        raise UserError(f"'{path}' is no {what}: it lacks {', '.join(lacking)}")
    found = {name: np.asarray(arrays[name]) for name in shapes}
    counts = {}
    for name, shape in shapes.items():
        size = math.prod(shape)
        if found[name].dtype.kind not in "fiub" or found[name].size % size:
            raise UserError(f"'{path}' is damaged: {name} is no array of {shape or 'numbers'}")
        counts[name] = found[name].size // size
    if len(set(counts.values())) != 1 or 0 in counts.values():
        counted = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UserError(f"'{path}' is damaged: its arrays should be equally long, not {counted}")
    return {
        name: np.ascontiguousarray(found[name].reshape(-1, *shape), np.float64)
        for name, shape in shapes.items()
    }
