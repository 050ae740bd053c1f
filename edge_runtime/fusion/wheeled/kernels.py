"""Computes the products that cost most of the wheeled filter's time: loops for numba, or numpy.

Compiled, a loop is faster than what it would allocate; without numba it takes a thousand times as
long.
"""

import math
from collections.abc import Callable

import numpy as np

from edge_runtime.fusion.compiled import compiled, numba
from edge_runtime.signals import Float


def _combine(h: Float, rows: Float, out: Float) -> None:
    size = len(out)
    for i in range(size):
        out[i] = 0.0
    for j in range(len(h)):
        hj = h[j]
        if hj != 0.0:
            for i in range(size):
                out[i] += hj * rows[j, i]


def _combine_numpy(h: Float, rows: Float, out: Float) -> None:
    np.matmul(h, rows[: len(h), : len(out)], out=out)


def _downdate(cov: Float, u: Float, v: Float) -> None:
    size = len(u)
    for i in range(size):
        ui, vi = u[i], v[i]
        for j in range(size):
            cov[i, j] -= ui * v[j] + vi * u[j]


def _downdate_numpy(cov: Float, u: Float, v: Float) -> None:
    change = np.multiply.outer(u, v)
    cov -= change + change.T


def _known_times(known: Float, h: Float, out: Float) -> None:
    size, count = len(h), int(known[-1, 0])
    all_at_once = np.empty(size + count)  # h^T P, and the share of each v
    combine(h, known, all_at_once)
    for i in range(size):
        out[i] = all_at_once[i]
    for row in range(count):
        share = all_at_once[size + row]
        for i in range(size):
            out[i] -= share * known[size + row, i]


def _known_times_numpy(known: Float, h: Float, out: Float) -> None:
    size, count = len(h), int(known[-1, 0])
    shares = h @ known[:size, size : size + count]
    out[:] = h @ known[:size, :size] - shares @ known[size : size + count, :size]


def _shrink(known: Float, column: Float, variance: float) -> None:
    size, count = len(column), int(known[-1, 0])
    factor = 1.0 / math.sqrt(variance)
    for i in range(size):
        known[size + count, i] = factor * column[i]
    for i in range(size):
        known[i, size + count] = factor * column[i]
    known[-1, 0] = count + 1


def _shrink_numpy(known: Float, column: Float, variance: float) -> None:
    size, count = len(column), int(known[-1, 0])
    known[size + count, :size] = known[:size, size + count] = column / math.sqrt(variance)
    known[-1, 0] = count + 1


def _known_row(known: Float, i: int, column: Float) -> None:
    size = len(column)
    for j in range(size):
        column[j] = known[i, j]
    for row in range(size, size + int(known[-1, 0])):
        share = known[row, i]
        for j in range(size):
            column[j] -= share * known[row, j]


def _known_row_numpy(known: Float, i: int, column: Float) -> None:
    size = len(column)
    factors = known[size : size + int(known[-1, 0]), :size]
    column[:] = known[i, :size] - factors[:, i] @ factors


def _drive(cov: Float, to: int, m: Float, by: int) -> None:
    rows, size = m.shape[0], cov.shape[0]
    for i in range(rows):
        for j in range(3):
            mij = m[i, j]
            for k in range(size):
                cov[to + i, k] += mij * cov[by + j, k]
    for k in range(size):
        for i in range(rows):
            total = cov[k, to + i]
            for j in range(3):
                total += m[i, j] * cov[k, by + j]
            cov[k, to + i] = total


def _drive_numpy(cov: Float, to: int, m: Float, by: int) -> None:
    end = to + len(m)
    cov[to:end] += m @ cov[by : by + 3]
    cov[:, to:end] += cov[:, by : by + 3] @ m.T


def _mirror(cov: Float) -> None:
    for i in range(cov.shape[0]):
        for k in range(i):
            cov[i, k] = cov[k, i]


def _mirror_numpy(cov: Float) -> None:
    cov[:] = 0.5 * (cov + cov.T)


combine: Callable[[Float, Float, Float], None] = (
    _combine_numpy if numba is None else compiled(_combine)
)
"""Writes h^T, (N,), times the first N rows of the second, as far as the last has room, to it."""
downdate: Callable[[Float, Float, Float], None] = (
    _downdate_numpy if numba is None else compiled(_downdate)
)
"""Subtracts u v^T + v u^T from a covariance, (N, N), which stays exactly symmetric."""
known_times: Callable[[Float, Float, Float], None] = (
    _known_times_numpy if numba is None else compiled(_known_times)
)
"""Writes h^T times what `as_known` returned, (N,), to the last."""
known_row: Callable[[Float, int, Float], None] = (
    _known_row_numpy if numba is None else compiled(_known_row)
)
"""Writes a row of what `as_known` returned, (N,), to the last."""
shrink: Callable[[Float, Float, float], None] = (
    _shrink_numpy if numba is None else compiled(_shrink)
)
"""Subtracts a column times itself, over its variance, from what `as_known` returned."""
drive: Callable[[Float, int, Float, int], None] = (
    _drive_numpy if numba is None else compiled(_drive)
)
"""Adds m, (M, 3), times the three errors from `by` on to the M errors from `to` on of a
covariance, (N, N), of which they are no part."""
mirror: Callable[[Float], None] = _mirror_numpy if numba is None else compiled(_mirror)
"""Makes a covariance symmetric again: rounding differs from the left and from the right."""
