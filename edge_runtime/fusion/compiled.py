"""Compiles functions with numba where it is installed, and runs them as numpy where it is not.

There is one source and it gives the same numbers.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from edge_runtime.extras import install_line
from edge_runtime.files import private_folder
from edge_runtime.signals import Float

numba: Any = None  # an optional extra of the robot's install
event: Any = None
with suppress(ImportError):
    import numba
    from numba.core import event

COMPILES = numba is not None and not numba.config.DISABLE_JIT
_LOG = logging.getLogger(__name__)
_PATIENCE = 5.0  # s of compiling after which it is logged
_COMPILE = "numba:compile"  # numba's event
F = TypeVar("F", bound=Callable[..., Any])
Places = TypeVar("Places", bound=tuple[int, ...])
Record = np.void
"""One element of a structured array: its fields are read and written by name, `x["velocity"]`."""
Records = npt.NDArray[np.void]
"""A structured array."""
Numbers = npt.NDArray[np.float64]
"""A vector of numbers that a compiled function reads and writes by index; see `numbers`."""


def laid_out(sizes: Callable[..., Places], start: int = 0) -> Places:
    """Returns where each field of a vector stands, one behind the other.

    Args:
        sizes: a named tuple whose defaults say how many numbers each field takes; a last field
            `size` that takes none stands at the end.
        start: where the first field stands.
    """
    places = accumulate(sizes(), initial=start)
    return sizes(*list(places)[:-1])


_FOLDER = Path(__file__).parent
_STAMP = "sim2edge.stamp"  # says from which sources the code in a folder was compiled


@cache
def _sources(folder: Path) -> str:
    """Returns a hash of the sources of the estimators and of another folder."""
    files = sorted({*_FOLDER.rglob("*.py"), *folder.glob("*.py")})
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def _forget_stale(folder: Path, sources: str) -> None:
    """Removes numba's indices in a folder that are of other sources.

    Numba compares an index with the file its function is in, not with the files of the functions
    it calls, and would go on with what they were.
    """
    stamp = folder / _STAMP
    with suppress(OSError):  # another process does the same
        if stamp.exists() and stamp.read_text(encoding="utf-8") == sources:
            return
        for index in folder.glob("*.nbi"):
            index.unlink(missing_ok=True)
        stamp.write_text(sources, encoding="utf-8")


@cache
def _use_temporary_folder() -> None:
    """Lets numba keep what it compiles in the temporary folder, and says so once."""
    with suppress(OSError):
        numba.config.CACHE_DIR = str(private_folder() / "numba")
    where = numba.config.CACHE_DIR or "memory alone"
    _LOG.warning(
        "neither the install nor a cache folder can be written, so compiled code is kept in %s; "
        "set NUMBA_CACHE_DIR to a folder that lasts",
        where,
    )


def _cached(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True, fastmath=False)(function)
    except RuntimeError:  # numba finds no folder that can be written
        _use_temporary_folder()
    try:
        return numba.njit(cache=True, fastmath=False)(function)
    except RuntimeError:
        return numba.njit(fastmath=False)(function)


def numbers(values: Iterable[float]) -> Numbers:
    """Returns a vector for compiled functions; a list without numba, since Python indexes it
    several times faster than an array."""
    listed = [float(value) for value in values]
    return np.array(listed) if COMPILES else cast(Numbers, listed)


def as_numbers(records: Records) -> Float:
    """Returns the memory of a (n,) structured array as float64.

    A compiled function that Python calls takes this and views it as records, because each
    structured array among its arguments costs half a microsecond.
    """
    numbers: Float = records.view(np.float64)
    return numbers


class RecordBuffer:
    """Keeps records with other views of their memory; a copy has a memory of its own.

    `columns` holds each field of all records, (n, ...): Python writes to them half a microsecond
    faster than to a field of a `Record`. `numbers` is `as_numbers` of the records.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self.numbers = as_numbers(records)
        self.columns: dict[str, Any] = {n: records[n] for n in records.dtype.names or ()}

    def __reduce__(self) -> tuple[type["RecordBuffer"], tuple[Records]]:
        return RecordBuffer, (self.records,)


def compiled(function: F) -> F:
    """Compiles a function of numpy arrays and numbers at its first call, and keeps it on disk.

    The function is written in the part of Python that numba understands, calls only numpy and
    other compiled functions, and runs unchanged without numba. It uses `product(a, b)` instead of
    `a @ b`, for which numba needs scipy.
    """
    if not COMPILES:
        return function
    made = _cached(function)
    if made.stats.cache_path:  # beside the source, or the user's where it is read-only
        sources = _sources(Path(function.__code__.co_filename).parent)
        _forget_stale(Path(made.stats.cache_path), sources)
    return cast(F, made)


@contextmanager
def compiling(what: str, samples: int = 0) -> Iterator[None]:
    """Logs why it takes so long, if compiling within this context keeps a user waiting.

    Without numba it logs how long each of the `samples` took that are computed within.

    Args:
        what: what is compiled, as the message calls it.
        samples: computed within this context.
    """
    if numba is None:
        begun = time.thread_time()
        yield
        each = 1e3 * (time.thread_time() - begun) / max(samples, 1)
        took = f"it takes {each:.1f} ms a sample" if samples else "it takes milliseconds a sample"
        _LOG.warning(
            "%s: numba is not installed, so %s, and compiled less than a tenth of that; %s",
            what,
            took,
            install_line("fusion"),
        )
        return
    note = f"compiling {what}: once on this machine, for half a minute or more"
    timer = threading.Timer(_PATIENCE, _LOG.info, [note])
    timer.daemon = True

    class Start(event.Listener):  # type: ignore[misc]  # numba has no types
        """Starts the timer with the first function that is compiled, not loaded from disk."""

        def on_start(self, event: object) -> None:
            if timer.ident is None:
                timer.start()

        def on_end(self, event: object) -> None:
            pass

    with event.install_listener(_COMPILE, Start()):
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
