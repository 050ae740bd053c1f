"""Reads MATLAB files of versions up to 7 in a process of its own, for damaged ones may crash it."""

import multiprocessing
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError

_DEEPEST = 8  # structs within structs
_MARK = "of."  # before each name, for `numpy.savez` has an argument `file` of its own
_PATIENCE = 60.0  # s for a file


def read_old_matlab(path: Path) -> dict[str, Any]:
    """Reads all arrays of numbers and text, those in structs as 'struct.field'; needs scipy.

    Raises:
        UserError: the file is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        arrays, said = Path(folder) / "arrays.npz", Path(folder) / "said"
        child = multiprocessing.get_context("spawn").Process(
            target=_convert, args=(path, arrays, said), daemon=True
        )
        child.start()
        child.join(_PATIENCE)
        child.kill()  # if it still runs
        child.join()
        if child.exitcode == 0 and arrays.exists():
            with np.load(arrays) as found:
                return {name.removeprefix(_MARK): array for name, array in found.items()}
        why = said.read_text(encoding="utf-8") if said.exists() else "its reader crashed"
    raise UserError(
        f"'{path}' is damaged or no MATLAB file: {why}; save it again, or copy it again"
    )


def _convert(path: Path, arrays: Path, said: Path) -> None:
    """Writes the arrays of a MATLAB file into an .npz, or the reason why it cannot be read."""
    from scipy.io import loadmat  # noqa: PLC0415  an optional extra

    try:
        with path.open("rb") as file:
            found = loadmat(file, simplify_cells=True)
        named = {k: v for k, v in found.items() if k[:2] != "__"}
        np.savez(arrays, **{f"{_MARK}{name}": array for name, array in _flat(named)})
    except Exception as error:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        said.write_text(why, encoding="utf-8")


def _flat(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        elif (array := np.asarray(value)).dtype.kind in "fiubUS":
            yield f"{prefix}{name}", array
