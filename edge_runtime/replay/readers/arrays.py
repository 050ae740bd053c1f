"""Reads the named arrays of NumPy's files, or raises one line that says what is wrong with them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.signals import Float

Arrays = dict[str, npt.NDArray[np.generic]]


def load_arrays(path: Path) -> Arrays:
    """Reads all arrays of an .npz file, or the columns of the one array of an .npy file.

    Columns have the names of the array's fields, or else 1, 2, 3. Objects are never read.

    Raises:
        UserError: it is not there, truncated, damaged, or holds objects.
    """
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.lib.npyio.NpzFile):
                with found:
                    return {name: found[name] for name in found.files}
            return _columns_of(found)
    except FileNotFoundError:
        raise UserError(f"there is no '{path}'") from None
    except IsADirectoryError:
        raise UserError(f"'{path}' is a folder; name one log in it") from None
    except Exception as error:
        if "pickle" in str(error):
            raise UserError(
                f"'{path}' holds Python objects, which can run any program when they are read and "
                "never are; save plain numbers: np.savez('log.npz', time=..., gyro=..., accel=...)"
            ) from None
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"'{path}' is truncated, damaged or no .npz: {said}") from None


def _columns_of(array: npt.NDArray[Any]) -> Arrays:
    if array.dtype.names:
        return {name: array[name] for name in array.dtype.names}
    if array.ndim == 2:
        return {str(number): column for number, column in enumerate(array.T, 1)}
    return {"1": array}


def equally_long(
    path: Path, what: str, arrays: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Float]:
    """Returns arrays with one row for each moment, checked for shape and equal length.

    Args:
        path: the file they are of.
        what: it should be.
        arrays: that it holds.
        shapes: the shape of one row of each that it must have.

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
