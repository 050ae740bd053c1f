"""Simulates a planar lidar between the walls of a track, exactly, in three dimensions.

The track is a corridor of quads between its cross sections. A beam starts in one quad and walks
from cross section to cross section until it meets one of the two walls. Its cost thus grows with
the distance and not with the number of walls; casting it against the walls as geoms of a physics
engine gives the same ranges tens of times slower.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.config.fields import Range, setting
from edge_runtime.fusion.compiled import compiled
from edge_runtime.signals import Array, Bool, Float, Index
from sim.racing.tracks import Tracks

Point = Float | tuple[float, float]

_SEARCH = 64  # cross sections searched for the quad in which a beam starts


@dataclass(frozen=True)
class LidarConfig:
    """Spaces beams evenly over the field of view from right to left; the middle one points
    forward."""

    beams: int = setting(64, "Number of beams.", above=0)
    field_of_view: float = setting(4.71238898038469, "Angle from first to last.", "rad", above=0)
    max_range: float = setting(25.0, unit="m", above=0)
    """Longest range, which a beam without an echo reads too."""
    wall_height: float = setting(0.6, "Height of the walls.", "m", above=0)
    std: float = setting(0.02, "White noise of each range.", "m", at_least=0)
    dropout: float = setting(0.002, "Chance of a beam to have no echo.", at_least=0)
    blind: Range = setting((0.0, 0.0), unit="rad", at_least=0)
    """Width of a sector without echoes for a whole episode."""


class Lidar:
    """Computes ranges for N cars on their tracks.

    Args:
        config: the beams.
        tracks: the tracks whose walls end the beams.
        mount: position of the lidar in the car's frame, (3,) m; its axes are the car's.
        rows: N.
    """

    def __init__(
        self, config: LidarConfig, tracks: Tracks, mount: npt.ArrayLike, rows: int = 1
    ) -> None:
        self.config, self._tracks = config, tracks
        self._mount = np.asarray(mount, np.float64)
        half = config.field_of_view / 2
        angle = np.linspace(-half, half, config.beams)
        self._angle = angle
        self.blind: Bool = np.zeros((rows, config.beams), bool)  # which beams give no echo, (N, B)
        self.beams: Float = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (B, 2)

    def cast(self, rows: Index, track: Index, near: Index, pose: Float, out: Array) -> None:
        """Writes the exact ranges of these cars.

        Args:
            rows: (n,).
            track: which track each of all N cars is on, (N,).
            near: a point of the centre line near each car, (N,).
            pose: the pose of all N cars, (N, 7): position m and quaternion wxyz, in the world.
            out: (N, B) m; only `rows` are written.
        """
        t, c = self._tracks, self.config
        _cast(
            rows,
            track,
            near,
            pose,
            self._mount,
            self.beams,
            t.left,
            t.right,
            c.wall_height,
            c.max_range,
            out,
        )

    def reset(self, rows: Index, rng: np.random.Generator) -> None:
        """Draws the blind sectors of new episodes."""
        low, high = self.config.blind
        if high <= 0.0:
            return
        width = rng.uniform(low, high, (len(rows), 1))
        middle = rng.uniform(self._angle[0], self._angle[-1], (len(rows), 1))
        self.blind[rows] = np.abs(self._angle - middle) < 0.5 * width

    def add_noise(
        self, ranges: Array, rng: np.random.Generator, blind: Bool | None = None
    ) -> Array:
        """Returns ranges, (n, B), with noise; some beams, among them the blind ones,
        have no echo."""
        c = self.config
        noise: Array = rng.standard_normal(ranges.shape, np.float32)
        noise *= np.float32(c.std)
        noise *= ranges < c.max_range
        noise += ranges
        lost = rng.integers(noise.size, size=rng.binomial(noise.size, c.dropout))
        noise.reshape(-1)[lost] = c.max_range
        if blind is not None and c.blind[1] > 0.0:
            noise[blind] = c.max_range
        np.maximum(noise, 0.0, out=noise)  # np.clip takes longer
        return np.minimum(noise, c.max_range, out=noise)


@compiled
def _cross(ax: float, ay: float, bx: float, by: float) -> float:
    return ax * by - ay * bx


@compiled
def _side(dx: float, dy: float, ox: float, oy: float, p: Point) -> float:
    """Returns a number above 0 if p is left of the ray from o along d."""
    return dx * (p[1] - oy) - dy * (p[0] - ox)


@compiled
def _distance(dx: float, dy: float, ox: float, oy: float, a: Float, b: Float) -> float:
    """Returns the distance along the ray to the line through a and b."""
    ex, ey = b[0] - a[0], b[1] - a[1]
    across = _cross(dx, dy, ex, ey)
    if across == 0.0:
        return np.inf
    return _cross(a[0] - ox, a[1] - oy, ex, ey) / across


@compiled
def _quad(left: Float, right: Float, near: int, ox: float, oy: float) -> int:
    """Finds the quad that holds (ox, oy), between cross sections i and i + 1; -1 if
    there is none."""
    points = len(left)
    i, p = near, (ox, oy)
    for _ in range(_SEARCH):
        j = (i + 1) % points
        l0, r0, l1, r1 = left[i], right[i], left[j], right[j]
        if _side(l0[0] - r0[0], l0[1] - r0[1], r0[0], r0[1], p) > 0:
            i = (i - 1) % points
        elif _side(l1[0] - r1[0], l1[1] - r1[1], r1[0], r1[1], p) <= 0:
            i = j
        elif (
            _side(l1[0] - l0[0], l1[1] - l0[1], l0[0], l0[1], p) >= 0
            or _side(r1[0] - r0[0], r1[1] - r0[1], r0[0], r0[1], p) <= 0
        ):
            return -1
        else:
            return i
    return -1


@compiled
def _walk(left: Float, right: Float, i: int, ox: float, oy: float, dx: float, dy: float) -> float:
    """Returns the distance to the wall that a ray from inside quad i meets."""
    points = len(left)
    j = (i + 1) % points
    left_ahead = _side(dx, dy, ox, oy, left[j])
    left_behind = _side(dx, dy, ox, oy, left[i])
    if left_ahead <= 0 and left_behind >= 0:
        return _distance(dx, dy, ox, oy, left[i], left[j])
    right_ahead = _side(dx, dy, ox, oy, right[j])
    right_behind = _side(dx, dy, ox, oy, right[i])
    if right_ahead >= 0 and right_behind <= 0:
        return _distance(dx, dy, ox, oy, right[i], right[j])
    forward = left_ahead > 0 and right_ahead < 0
    step = 1 if forward else -1
    here = j if forward else i  # the cross section being passed
    sign = 1.0 if forward else -1.0  # seen backward, the left wall is on the right
    for _ in range(points):
        ahead = (here + step) % points
        if sign * _side(dx, dy, ox, oy, left[ahead]) <= 0:
            return _distance(dx, dy, ox, oy, left[here], left[ahead])
        if sign * _side(dx, dy, ox, oy, right[ahead]) >= 0:
            return _distance(dx, dy, ox, oy, right[here], right[ahead])
        here = ahead
    return np.inf


@compiled
def _search(
    wall: Float, height: float, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> float:
    """Returns the distance to the first wall segment met below its top, among all segments."""
    best = np.inf
    points = len(wall)
    for i in range(points):
        a, b = wall[i], wall[(i + 1) % points]
        if _side(dx, dy, ox, oy, a) * _side(dx, dy, ox, oy, b) <= 0:
            t = _distance(dx, dy, ox, oy, a, b)
            if 0 <= t < best and 0 <= oz + t * dz <= height:
                best = t
    return best


@compiled
def _rotation(w: float, x: float, y: float, z: float) -> Float:
    """Returns the rotation from body to world, (3, 3)."""
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@compiled
def _cast(
    rows: Index,
    track: Index,
    near: Index,
    pose: Float,
    mount: Float,
    beams: Float,
    lefts: Float,
    rights: Float,
    height: float,
    max_range: float,
    out: Array,
) -> None:
    for n in rows:
        left, right = lefts[track[n]], rights[track[n]]
        turn = _rotation(pose[n, 3], pose[n, 4], pose[n, 5], pose[n, 6])
        ox, oy, oz = pose[n, :3] + (turn * mount).sum(axis=1)  # without @, which needs scipy
        quad = _quad(left, right, int(near[n]), ox, oy)
        # From below the top of the walls, a beam that passes over one can meet no other.
        walks = quad >= 0 and 0.0 <= oz <= height
        for b in range(len(beams)):
            x, y = beams[b]
            dx = turn[0, 0] * x + turn[0, 1] * y
            dy = turn[1, 0] * x + turn[1, 1] * y
            dz = turn[2, 0] * x + turn[2, 1] * y
            reach = max_range
            if dz < 0 and oz >= 0:
                reach = min(reach, -oz / dz)
            if walks:
                t = _walk(left, right, quad, ox, oy, dx, dy)
                if oz + t * dz > height:
                    t = np.inf
            else:
                t = min(
                    _search(left, height, ox, oy, oz, dx, dy, dz),
                    _search(right, height, ox, oy, oz, dx, dy, dz),
                )
            out[n, b] = min(t, reach)
