"""Makes closed race tracks from a seed.

A track is a smooth closed centre line of constant width between two walls. All tracks of a set have
the same number of points, equally spaced by arc length, so that cars on different tracks are
handled in one array.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from edge_runtime.config.fields import Range, setting
from edge_runtime.errors import UserError
from edge_runtime.signals import Float

Complex = npt.NDArray[np.complex128]

_CANDIDATES = 64  # drawn at once; about half are kept
_FINE = 2048  # samples of a curve before it is spaced by arc length
_COARSE = 4  # every so many points are checked for sections that come too close


@dataclass(frozen=True)
class TrackConfig:
    """Sets how tracks are drawn."""

    points: int = setting(512, "Points of the centre line.", above=0)
    length: Range = setting((100.0, 250.0), "Length of the centre line.", "m", above=0)
    width: Range = setting((4.0, 5.5), "Width between the walls.", "m", above=0)
    tightest: Range = setting((5.0, 8.0), "Radius of the tightest corner.", "m", above=0)
    corners: tuple[int, int] = setting((6, 10), "Number of corners.", above=0)
    roughness: float = setting(0.75, at_least=0)
    """0: corners on a circle; towards 1: some close to its centre."""
    gap: float = setting(1.0, unit="m", at_least=0)
    """Least distance between the walls of two sections side by side."""


@dataclass(frozen=True)
class Tracks:
    """Holds K tracks of P points in the world's horizontal plane, with lengths in m, angles in
    rad."""

    center: Float  # (K, P, 2)
    heading: Float  # (K, P), in driving direction
    curvature: Float  # (K, P), 1/m, positive to the left
    width: Float  # (K,)
    length: Float  # (K,), of the centre line
    left: Float  # (K, P, 2), the wall to the left in driving direction
    right: Float  # (K, P, 2)

    def __len__(self) -> int:
        return len(self.length)

    @property
    def points(self) -> int:
        """Returns P, the number of points of each track."""
        return int(self.center.shape[1])


@cache
def make_tracks(count: int, seed: int, config: TrackConfig = TrackConfig()) -> Tracks:
    """Draws tracks, of which on average half run left and half right.

    Each is a random star-shaped polygon whose corners are rounded by arcs and smoothed a little,
    scaled so that its tightest corner has a random radius. It is kept if its length is in range and
    no two sections come closer than their walls allow.

    Args:
        count: K.
        seed: the same seed gives the same tracks.
        config: how they are drawn.

    Raises:
        UserError: hardly any polygon fulfils the config.
    """
    rng = np.random.default_rng(seed)
    centers: list[Float] = []
    widths: list[Float] = []
    found = tried = 0
    while found < count:
        if tried > 50 * _CANDIDATES and found < 0.01 * tried:
            raise UserError(
                f"hardly any track fulfils {config}; "
                "lower width, gap or roughness, or widen length or tightest"
            )
        center, width = _candidates(rng, config)
        keep = _drivable(center, width, config)
        centers.append(center[keep])
        widths.append(width[keep])
        found += int(keep.sum())
        tried += len(keep)
    return _tracks(np.concatenate(centers)[:count], np.concatenate(widths)[:count])


def _candidates(rng: np.random.Generator, config: TrackConfig) -> tuple[Float, Float]:
    """Returns random closed curves (C, P, 2), equally spaced, and widths (C,)."""
    corners = int(rng.integers(config.corners[0], config.corners[1] + 1))
    shape = (_CANDIDATES, corners)
    angle = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.35, 0.35, shape)) / corners
    radius = rng.uniform(1 - config.roughness, 1, shape)
    vertices: Complex = np.multiply(radius, np.exp(1j * angle), dtype=np.complex128)
    curve = _rounded(vertices, rng.uniform(0.6, 1.0, shape), rng.uniform(0.15, 0.5, shape))
    curve = _respace(_blend(curve), config.points)
    to_the_right = rng.random(_CANDIDATES) < 0.5
    curve[to_the_right] = curve[to_the_right].conj()
    center = np.stack([curve.real, curve.imag], axis=-1)
    _, curvature = _heading_and_curvature(center)
    scale = rng.uniform(*config.tightest, _CANDIDATES) * np.abs(curvature).max(axis=1)
    return center * scale[:, None, None], rng.uniform(*config.width, _CANDIDATES)


def _rounded(vertices: Complex, share: Float, most: Float) -> Complex:
    """Rounds each corner of polygons (C, V) by an arc, and samples them, (C, F).

    An arc takes `share` of the room that its edges leave, but no larger radius than `most`.
    """
    edge = np.roll(vertices, -1, axis=1) - vertices
    size = np.abs(edge)
    turn = np.angle(edge / np.roll(edge, 1, axis=1))
    steepness = np.tan(np.abs(turn) / 2)
    room = np.minimum(size, np.roll(size, 1, axis=1)) / 2
    radius = np.minimum(share * room / steepness, most)
    cut = radius * steepness
    line = size - cut - np.roll(cut, -1, axis=1)
    arc = radius * np.abs(turn)
    # Sections in order: edge 0, the arc at vertex 1, edge 1, ...
    lengths = np.stack([line, np.roll(arc, -1, axis=1)], axis=-1).reshape(len(line), -1)
    turns = np.stack([np.zeros_like(turn), np.roll(turn, -1, axis=1)], axis=-1).reshape(
        len(line), -1
    )
    return np.stack([_trace(n, t, np.angle(e[0])) for n, t, e in zip(lengths, turns, edge)])


def _trace(lengths: Float, turns: Float, heading: float) -> Complex:
    """Samples a closed chain of sections of constant curvature, (F,)."""
    ends = np.cumsum(lengths)
    along = (np.arange(_FINE) + 0.5) * ends[-1] / _FINE
    section = np.minimum(np.searchsorted(ends, along), len(lengths) - 1)
    share = 1 - (ends[section] - along) / lengths[section]
    direction = heading + (np.cumsum(turns) - turns)[section] + turns[section] * share
    step = np.exp(1j * direction)
    return np.cumsum(step - step.mean())


def _blend(curve: Complex, reach: float = 0.006) -> Complex:
    """Low-passes closed curves (C, F), so that curvature does not jump.

    Args:
        curve: equally spaced.
        reach: standard deviation of the Gaussian, as a share of the perimeter.
    """
    order = np.fft.fftfreq(curve.shape[1], 1 / curve.shape[1])
    kept = np.exp(-0.5 * (2 * np.pi * reach * order) ** 2)
    blended: Complex = np.fft.ifft(np.fft.fft(curve, axis=1) * kept, axis=1)
    return blended


def _respace(curve: Complex, points: int) -> Complex:
    """Resamples closed curves (C, F) to `points` at equal arc length."""
    closed = np.concatenate([curve, curve[:, :1]], axis=1)
    along = np.cumsum(np.abs(np.diff(closed, axis=1)), axis=1)
    along = np.concatenate([np.zeros((len(curve), 1)), along], axis=1)
    where = np.linspace(0.0, 1.0, points, endpoint=False)
    return np.stack([np.interp(where * s[-1], s, c) for s, c in zip(along, closed)])


def _heading_and_curvature(center: Float) -> tuple[Float, Float]:
    """Returns heading and curvature by central differences, (C, P) each."""
    ahead, behind = np.roll(center, -1, axis=1), np.roll(center, 1, axis=1)
    chord, first, second = ahead - behind, center - behind, ahead - center
    cross = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    sizes = np.stack([np.linalg.norm(v, axis=-1) for v in (first, second, chord)])
    heading = np.arctan2(chord[..., 1], chord[..., 0])
    return heading, 2 * cross / sizes.prod(axis=0)  # of the circle through three points


def _perimeter(center: Float) -> Float:
    """Returns the lengths of closed polygons (C, P, 2), (C,)."""
    return np.linalg.norm(np.roll(center, -1, axis=1) - center, axis=-1).sum(axis=1)


def _drivable(center: Float, width: Float, config: TrackConfig) -> npt.NDArray[np.bool_]:
    """Returns whether curves have the right length and distance between sections, (C,)."""
    length = _perimeter(center)
    good = (config.length[0] <= length) & (length <= config.length[1])
    _, curvature = _heading_and_curvature(center)
    good &= np.abs(curvature).max(axis=1) * width / 2 < 0.9  # otherwise the inner wall would fold
    for i in np.flatnonzero(good):
        coarse = center[i, ::_COARSE]
        apart = np.linalg.norm(coarse[:, None] - coarse[None], axis=-1)
        spacing = length[i] / len(coarse)
        steps = np.abs(np.subtract.outer(np.arange(len(coarse)), np.arange(len(coarse))))
        along = np.minimum(steps, len(coarse) - steps) * spacing
        # A half circle across the clearance is the shortest way back beside itself.
        clearance = width[i] + config.gap
        good[i] = not ((along > np.pi / 2 * clearance + spacing) & (apart < clearance)).any()
    return good


def _tracks(center: Float, width: Float) -> Tracks:
    heading, curvature = _heading_and_curvature(center)
    across = width[:, None, None] / 2 * np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    return Tracks(
        center=center,
        heading=heading,
        curvature=curvature,
        width=width,
        length=_perimeter(center),
        left=center + across,
        right=center - across,
    )
