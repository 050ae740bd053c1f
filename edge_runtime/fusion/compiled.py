"""Compiled where numba is installed, plain numpy where it is not: one source, the same numbers."""

from collections.abc import Callable
from typing import Any, TypeVar

try:
    import numba
except ImportError:  # an optional extra of the robot's install
    numba = None

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function of numpy arrays and numbers at its first call, and keep it on disk.

    What it decorates is written in the part of Python that numba understands, calls nothing but
    numpy and other compiled functions, and runs unchanged without numba.
    """
    return function if numba is None else numba.njit(cache=True, fastmath=False)(function)
