"""Reads MATLAB files of versions up to 7 in a process of its own, for damaged ones may crash it."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError

_DEEPEST = 8  # structs within structs
_MARK = "of."  # before each name, for `numpy.savez` has an argument `file` of its own
_PATIENCE = 60.0  # s for a file
_REFUSED = 3  # exit code of a child that says why
# Not multiprocessing's, which would run the caller's main module again.
_PROGRAM = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from edge_runtime.replay.readers.tables.old_matlab import convert
convert(Path(sys.argv[2]), Path(sys.argv[3]))
"""
_PACKAGES = Path(__file__).parents[4]  # the folder that holds edge_runtime


def read_old_matlab(path: Path) -> dict[str, Any]:
    """Reads all arrays of numbers and text, those in structs as 'struct.field'; needs scipy.

    Raises:
        UserError: the file is damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        command = [sys.executable, "-c", _PROGRAM, *map(str, (_PACKAGES, path.resolve(), arrays))]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
            why = done.stderr.strip() if done.returncode == _REFUSED else "its reader crashed"
            if done.returncode == 0:
                with np.load(arrays) as found:
                    return {name.removeprefix(_MARK): array for name, array in found.items()}
        except subprocess.TimeoutExpired:
            why = f"not read within {_PATIENCE:g} s"
    raise UserError(
        f"'{path}' is damaged or no MATLAB file: {why}; save it again, or copy it again"
    )


def convert(path: Path, arrays: Path) -> None:
    """Writes the arrays of a MATLAB file into an .npz.

    Raises:
        SystemExit: the file cannot be read, which is said on stderr.
    """
    from scipy.io import loadmat  # noqa: PLC0415  an optional extra

    try:
        with path.open("rb") as file:
            found = loadmat(file, simplify_cells=True)
        named = {k: v for k, v in found.items() if k[:2] != "__"}
        np.savez(arrays, **{f"{_MARK}{name}": array for name, array in _flat(named)})
    except Exception as error:
        print(" ".join(str(error).split())[:120] or type(error).__name__, file=sys.stderr)
        sys.exit(_REFUSED)


def _flat(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        elif (array := np.asarray(value)).dtype.kind in "fiubUS":
            yield f"{prefix}{name}", array
