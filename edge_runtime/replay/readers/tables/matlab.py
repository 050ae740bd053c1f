"""Reads the arrays of MATLAB files, old ones and those of version 7.3, and of other HDF5 files."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.replay.readers.recognition import Format
from edge_runtime.replay.readers.tables.columns import rows_first
from edge_runtime.replay.readers.tables.old_matlab import read_old_matlab

_TO_PLAIN = (
    "save plain arrays: save('log.mat', 'time', 'gyro', 'accel'), or writetable(T, 'log.csv') of a "
    "table or timetable"
)


def read_matlab(path: Path, form: Format) -> dict[str, Any]:
    """Reads all arrays of numbers, those in structs or groups as 'struct.field'.

    Args:
        path: the file.
        form: MATLAB for versions up to 7, HDF5 for 7.3 and for what other programs write.

    Raises:
        UserError: it is damaged, or the library that reads it is not installed.
    """
    return _read_hdf5(path) if form is Format.HDF5 else _read_old(path)


def _missing(path: Path, package: str) -> UserError:
    return UserError(
        f"reading '{path}' needs {package}, which is not installed; pip install {package}, or "
        f"{install_line('replay')}"
    )


def _read_old(path: Path) -> dict[str, Any]:
    if importlib.util.find_spec("scipy") is None:  # an optional extra
        raise _missing(path, "scipy")
    arrays = read_old_matlab(path)
    return _without_none(path, {name: rows_first(array) for name, array in arrays.items()})


def _read_hdf5(path: Path) -> dict[str, Any]:
    try:
        import h5py  # noqa: PLC0415  an optional extra
    except ImportError:
        raise _missing(path, "h5py") from None
    arrays: dict[str, Any] = {}

    def take(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or name.startswith("#"):
            return
        if "MATLAB_object_decode" in item.attrs:
            return  # a table or another object, whose content is elsewhere
        if item.dtype.names:  # a table, as pandas and MATLAB write it
            values = item[()]
            arrays.update({f"{name}.{f}": values[f] for f in item.dtype.names})
        elif item.dtype.kind in "fiub" and item.ndim <= 3:
            # MATLAB stores columns first.
            value = np.asarray(item[()])
            arrays[name.replace("/", ".")] = rows_first(
                value.T if "MATLAB_class" in item.attrs else value
            )

    try:
        with h5py.File(path, "r") as file:
            for name, value in file.attrs.items():
                if np.asarray(value).dtype.kind in "fiu":
                    arrays[str(name)] = np.asarray(value)
            file.visititems(take)
    except Exception as error:
        raise UserError(
            f"'{path}' is a truncated or damaged HDF5 file ({_said(error)}); copy it again"
        ) from None
    return _without_none(path, arrays)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _without_none(path: Path, arrays: dict[str, Any]) -> dict[str, Any]:
    if not arrays:
        raise UserError(f"'{path}' holds no array of numbers; {_TO_PLAIN}")
    return arrays
