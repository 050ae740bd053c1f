"""Compiled where numba is installed, plain numpy where it is not: one source, the same numbers."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edge_runtime.fusion.measurement import Float

numba: Any = None  # an optional extra of the robot's install
with suppress(ImportError):
    import numba

_LOG = logging.getLogger(__name__)
_PATIENCE = 5.0  # s; what is on disk is loaded in less, on a busy machine too
F = TypeVar("F", bound=Callable[..., Any])


def forget_stale(folder: Path) -> None:
    """Remove numba's indices that are older than any source below the folder.

    Numba compares an index with the file its function is in, not with the files of the functions
    it calls, and would go on with what they were. Those may be in other rooms of the folder.
    """
    with suppress(OSError):  # another process does the same, or the folder is read-only
        changed = max((source.stat().st_mtime for source in folder.rglob("*.py")), default=0.0)
        for index in folder.rglob("__pycache__/*.nbi"):
            if index.stat().st_mtime < changed:
                index.unlink(missing_ok=True)


if numba is not None:
    forget_stale(Path(__file__).parent)


def compiled(function: F) -> F:
    """Compile a function of numpy arrays and numbers at its first call, and keep it on disk.

    What it decorates is written in the part of Python that numba understands, calls nothing but
    numpy and other compiled functions, and runs unchanged without numba. `a @ b` is written
    `product(a, b)`, for numba's own needs scipy.
    """
    return function if numba is None else numba.njit(cache=True, fastmath=False)(function)


@contextmanager
def compiling(what: str) -> Iterator[None]:
    """Logs why it takes so long, if compiling within this context keeps a user waiting.

    Args:
        what: what is compiled, as the message calls it.
    """
    if numba is None:
        _LOG.warning(
            "%s: numba is not installed, so a sample takes milliseconds, and compiled "
            "a tenth of one; pip install 'sim2edge[fusion]'",
            what,
        )
        yield
        return
    note = f"compiling {what}: once on this machine, for half a minute or more"
    timer = threading.Timer(_PATIENCE, _LOG.info, [note])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _product(a: Float, b: Float) -> Float:
    rows, inner = a.shape
    columns = b.shape[1]
    c = np.zeros((rows, columns))
    for i in range(rows):
        for k in range(inner):
            factor = a[i, k]
            for j in range(columns):
                c[i, j] += factor * b[k, j]
    return c


product: Callable[[Float, Float], Float] = np.matmul if numba is None else compiled(_product)
"""Matrix product of (n, m) and (m, k)."""
