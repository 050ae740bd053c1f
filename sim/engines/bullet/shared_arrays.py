"""Shares arrays among processes, in memory that is freed with the last of them."""

import mmap
import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Layout = Mapping[str, tuple[tuple[int, ...], str]]  # name -> shape, dtype
_ALIGNMENT = 64


class SharedArrays:
    """Keeps named arrays in anonymous shared memory, zero at first.

    Args:
        layout: shapes and types of the arrays, the same in all processes.
        fd: file descriptor of memory that another process made; by default new memory is made.
    """

    def __init__(self, layout: Layout, fd: int | None = None) -> None:
        sizes = {name: _bytes(shape, dtype) for name, (shape, dtype) in layout.items()}
        total = max(sum(sizes.values()), _ALIGNMENT)
        if fd is None:
            fd = os.memfd_create("sim2edge-bullet")
            os.ftruncate(fd, total)
        self.fd = fd
        memory = mmap.mmap(fd, total)
        self.arrays: dict[str, npt.NDArray[np.generic]] = {}
        offset = 0
        for name, (shape, dtype) in layout.items():
            self.arrays[name] = np.ndarray(shape, dtype, memory, offset)
            offset += sizes[name]


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return -(-size // _ALIGNMENT) * _ALIGNMENT
