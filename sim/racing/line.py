"""Computes the line of least curvature around a track.

Braghin, Cheli, Melzi and Sabbioni, "Race driver model", Computers & Structures 86, 2008: the path
between the walls with the least sum of squared curvature, close to the fastest one.
"""

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.signals import Float
from sim.racing.tracks import Tracks

_STRIDES = (16, 8, 4, 2, 1)  # from coarse to fine, for a bend spreads slowly on a fine path
_SWEEPS = 80
_RELAXATION = 1.5


def racing_lines(tracks: Tracks, margin: float) -> Float:
    """Returns lines of least curvature, (K, P, 2) m; point i lies beside point i of the centre
    line.

    Args:
        tracks: K tracks; the number of points must be a multiple of 16.
        margin: m, distance kept to the walls.
    """
    across = np.stack([-np.sin(tracks.heading), np.cos(tracks.heading)], axis=-1)
    room = np.maximum(tracks.width / 2 - margin, 0.0)
    offsets = np.zeros(tracks.heading.shape)
    for k in range(len(tracks)):
        _relax(tracks.center[k], across[k], room[k], offsets[k])
    return tracks.center + offsets[..., None] * across


@compiled
def _relax(center: Float, across: Float, room: float, offset: Float) -> None:
    """Minimizes the sum of squared second differences of center + offset * across by coordinate
    descent."""
    points = len(center)
    for stride in _STRIDES:
        count = points // stride
        path = center + offset[:, None] * across
        for _ in range(_SWEEPS):
            for n in range(count):
                i = n * stride
                pull = 0.0
                for axis in range(2):
                    b2 = path[(i - 2 * stride) % points, axis]
                    b1 = path[(i - stride) % points, axis]
                    a1 = path[(i + stride) % points, axis]
                    a2 = path[(i + 2 * stride) % points, axis]
                    bending = b2 - 4 * b1 + 6 * path[i, axis] - 4 * a1 + a2
                    pull += across[i, axis] * bending / 6
                moved = min(max(offset[i] - _RELAXATION * pull, -room), room)
                for axis in range(2):
                    path[i, axis] += (moved - offset[i]) * across[i, axis]
                offset[i] = moved
        # Interpolate between the points of this stride for the next finer one
        for n in range(count):
            i, j = n * stride, (n + 1) * stride % points
            for step in range(1, stride):
                share = step / stride
                offset[i + step] = (1 - share) * offset[i] + share * offset[j]
