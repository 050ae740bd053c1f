"""Locates cars on their tracks: arc length, lateral offset, heading error, distance
to the walls."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.fusion.compiled import compiled
from edge_runtime.signals import Float, Index
from sim.racing.tracks import Tracks

_WINDOW = 10  # points searched to either side of a car's last position


@dataclass(frozen=True)
class TrackPosition:
    """Holds the positions of N cars; each is that of the chassis frame's origin, in the plane."""

    index: Index  # (N,), the centre line's point at or before the car
    along: Float  # (N,) m, arc length from the track's first point
    offset: Float  # (N,) m, left of the centre line
    heading_error: Float  # (N,) rad, of the car's heading relative to the centre line's
    curvature: Float  # (N,) 1/m, of the centre line there
    clearance: Float  # (N,) m, from the car's outline to the nearer wall; negative beyond it


class Locator:
    """Follows N cars on their tracks.

    Args:
        tracks: the set of tracks.
        rows: N.
        outline: points of the car that must stay between the walls, (M, 2) m in its own frame.
    """

    def __init__(self, tracks: Tracks, rows: int, outline: npt.ArrayLike) -> None:
        self._tracks, self._outline = tracks, np.asarray(outline, np.float64)
        self.track: Index = np.zeros(rows, np.int64)  # the track of each car
        self.start: Index = np.zeros(rows, np.int64)  # the point where each car began
        values = [np.zeros(rows) for _ in range(5)]
        self.position = TrackPosition(np.zeros(rows, np.int64), *values)

    def place(self, rows: Index, track: Index, index: Index) -> None:
        """Sets the track of these cars, and a point of it near which they were put."""
        self.track[rows] = track
        self.position.index[rows] = self.start[rows] = index

    def update(self, rows: Index, pose: Float) -> None:
        """Updates `position` of these cars.

        Args:
            rows: (n,).
            pose: x, y and heading of all N cars, (N, 3); none may have moved more than a few points
                of its track since the last call.
        """
        t, p = self._tracks, self.position
        _locate(
            rows,
            pose,
            self._outline,
            self.track,
            t.center,
            t.heading,
            t.curvature,
            t.width,
            t.length,
            p.index,
            p.along,
            p.offset,
            p.heading_error,
            p.curvature,
            p.clearance,
        )

    def state(self) -> dict[str, Index]:
        """Returns what `restore` needs beside the poses."""
        index = self.position.index
        return {"track": self.track.copy(), "index": index.copy(), "start": self.start.copy()}

    def restore(self, state: Mapping[str, Index]) -> None:
        """Restores a state that `state` returned; `update` must follow."""
        self.track[:], self.position.index[:] = state["track"], state["index"]
        self.start[:] = state.get("start", state["index"])  # checkpoints of 0.1 have none


@compiled
def _nearest(center: Float, x: float, y: float, hint: int) -> int:
    """Returns the index of the point nearest to (x, y) within the window around `hint`."""
    points = len(center)
    best, found = np.inf, hint
    for step in range(-_WINDOW, _WINDOW + 1):
        i = (hint + step) % points
        dx, dy = x - center[i, 0], y - center[i, 1]
        square = dx * dx + dy * dy
        if square < best:
            best, found = square, i
    return found


@compiled
def _project(center: Float, x: float, y: float, near: int) -> tuple[int, float, float]:
    """Projects (x, y) on the two segments at `near`: segment, share of it, and lateral offset."""
    points = len(center)
    segment, share, offset, best = near, 0.0, 0.0, np.inf
    for i in (near, (near - 1) % points):
        j = (i + 1) % points
        ax, ay = center[i, 0], center[i, 1]
        ex, ey = center[j, 0] - ax, center[j, 1] - ay
        square = ex * ex + ey * ey
        u = min(max(((x - ax) * ex + (y - ay) * ey) / square, 0.0), 1.0)
        dx, dy = x - ax - u * ex, y - ay - u * ey
        apart = np.sqrt(dx * dx + dy * dy)
        if apart < best:
            side = ex * dy - ey * dx
            segment, share, best = i, u, apart
            offset = apart if side >= 0 else -apart
    return segment, share, offset


@compiled
def _locate(
    rows: Index,
    pose: Float,
    outline: Float,
    track: Index,
    centers: Float,
    headings: Float,
    curvatures: Float,
    widths: Float,
    lengths: Float,
    index: Index,
    along: Float,
    offset: Float,
    heading_error: Float,
    curvature: Float,
    clearance: Float,
) -> None:
    for n in rows:
        k = track[n]
        center = centers[k]
        points = len(center)
        x, y, yaw = pose[n]
        near = _nearest(center, x, y, int(index[n]))
        i, share, side = _project(center, x, y, near)
        j = (i + 1) % points
        index[n] = i
        along[n] = (i + share) * lengths[k] / points
        offset[n] = side
        bend = _wrapped(float(headings[k, j] - headings[k, i]))
        heading_error[n] = _wrapped(float(yaw - headings[k, i] - share * bend))
        curvature[n] = (1 - share) * curvatures[k, i] + share * curvatures[k, j]
        c, s = np.cos(yaw), np.sin(yaw)
        farthest = 0.0
        for px, py in outline:
            wx, wy = x + c * px - s * py, y + s * px + c * py
            _, _, lateral = _project(center, wx, wy, _nearest(center, wx, wy, i))
            farthest = max(farthest, abs(lateral))
        clearance[n] = widths[k] / 2 - farthest


@compiled
def _wrapped(angle: float) -> float:
    """Wraps an angle to ±pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
