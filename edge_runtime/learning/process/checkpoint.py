"""Writes and reads what a learner goes on from: nested values and arrays, without pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.learning.array_file import read_arrays, write_arrays

_ABOUT, _ARRAY = "about", "$array"


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a state as a whole; the old file stays until the new one is on the disk.

    Args:
        path: the file (.npz).
        state: dictionaries by string, lists, arrays, strings and numbers.

    Raises:
        UserError: it cannot be written.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    about = _without_arrays(state, arrays)
    write_arrays(path, {_ABOUT: np.array(json.dumps(about)), **arrays})


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a state that `write_checkpoint` wrote.

    Raises:
        UserError: it cannot be read, or is damaged.
    """
    arrays = read_arrays(path, "checkpoint")
    try:
        state = _with_arrays(json.loads(str(arrays[_ABOUT])), arrays)
        if isinstance(state, dict):
            return state
    except (KeyError, ValueError):
        pass
    raise UserError(f"{path} is no checkpoint, or damaged; learn anew")


def _without_arrays(value: Any, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """Returns a value whose arrays are replaced by their names."""
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, arrays) for item in value]
    return value


def _with_arrays(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _with_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    return value
