"""Lays out the failure map: every push by where it came from and how strong it was, and who fell.

The robot stands in the middle, seen from above, and looks up the page; a push lies on the side that
it came from, the farther out the stronger.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from policies.evaluation.quantities import number, percent
from policies.evaluation.suite_result import SuiteResult
from policies.report.figures import Share, nice_ticks, share_of

SECTORS = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")
BANDS = 4  # of strength, for the table beside the map
_CENTER, _RADIUS, _GAP, _RIM = 210.0, 150.0, 6.0, 34.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Push:
    """Places a push on the map."""

    trial: int
    side: float  # rad to the left of the robot's heading, from where it came
    force: float  # N
    survived: bool

    @property
    def sector(self) -> int:
        """Returns which of `SECTORS` it came from."""
        width = 2 * math.pi / len(SECTORS)
        return round(self.side / width) % len(SECTORS)

    @property
    def side_name(self) -> str:
        """Returns the name of its sector."""
        return SECTORS[self.sector]


@dataclass(frozen=True)
class Sector:
    """Draws a piece of the map's rim."""

    outline: str  # SVG path
    x: float  # of its writing
    y: float
    share: Share  # survived

    @property
    def fell(self) -> float:
        """Returns the share that fell, 0 where nobody was pushed."""
        return 1.0 - self.share.value if self.share.count else 0.0


@dataclass(frozen=True)
class Ring:
    """Draws all pushes of one strength, and says where that strength is written."""

    force: float  # N
    radius: float
    x: float
    y: float


@dataclass(frozen=True)
class FailureMap:
    """Draws one engine's pushes on a map as large as all maps that are compared with it."""

    engine: str
    pushes: Sequence[Push]
    strongest: float  # N, at the rim

    middle = _CENTER

    @property
    def sectors(self) -> list[Sector]:
        """Returns the rim, one piece for each of `SECTORS`."""
        return [_sector(k, share) for k, share in enumerate(by_sector(self.pushes))]

    @property
    def rings(self) -> list[Ring]:
        """Returns rings of round strengths, written along a line between two sectors."""
        rings = []
        for force in nice_ticks(0.0, self.strongest, 5)[1:]:
            radius = _RADIUS * force / self.strongest
            rings.append(Ring(force, radius, *_polar(-math.pi / len(SECTORS), radius)))
        return rings

    @property
    def survived(self) -> list[Point]:
        """Returns where the pushes are that were survived."""
        return [self._place(push) for push in self.pushes if push.survived]

    @property
    def fell(self) -> list[tuple[Push, Point]]:
        """Returns the pushes that were not survived, and where they are."""
        return [(push, self._place(push)) for push in self.pushes if not push.survived]

    @property
    def words(self) -> str:
        """Returns what the map shows, for those who cannot see it."""
        whole = share_of(p.survived for p in self.pushes)
        sides = ", ".join(
            f"{name} {percent(share.value)} of {share.count}"
            for name, share in zip(SECTORS, by_sector(self.pushes))
            if share.count
        )
        return f"Failure map of {whole.count} pushes, {percent(whole.value)} survived: {sides}"

    def _place(self, push: Push) -> Point:
        return _polar(push.side, _RADIUS * min(push.force / self.strongest, 1.0))


@dataclass(frozen=True)
class PushesSection:
    """Maps side by side, and the same as tables: a row's name and its share in each engine."""

    maps: list[FailureMap]
    by_strength: list[tuple[str, list[Share]]]
    by_direction: list[tuple[str, list[Share]]]


def pushes_section(results: Sequence[SuiteResult]) -> PushesSection | None:
    """Returns what became of the pushes in each engine; None where nobody was pushed."""
    by_engine = {result.engine: pushes_of(result) for result in results}
    forces = [push.force for pushes in by_engine.values() for push in pushes]
    if not forces:
        return None
    strongest = nice_rim(max(forces))
    bands = [by_strength(pushes, strongest) for pushes in by_engine.values()]
    sectors = [by_sector(pushes) for pushes in by_engine.values()]
    return PushesSection(
        [FailureMap(engine, pushes, strongest) for engine, pushes in by_engine.items()],
        [
            (f"{number(low)} to {number(high)} N", [band[k][2] for band in bands])
            for k, (low, high, _) in enumerate(bands[0])
        ],
        [(f"from the {name}", [shares[k] for shares in sectors]) for k, name in enumerate(SECTORS)],
    )


def pushes_of(result: SuiteResult) -> list[Push]:
    """Returns the pushes whose direction and strength are known."""
    return [
        Push(trial.trial, push.direction + math.pi, push.force, push.survived)
        for trial in result.trials
        for push in trial.pushes
        if math.isfinite(push.direction) and math.isfinite(push.force)
    ]


def nice_rim(strongest: float) -> float:
    """Returns a round number, in N, that the strongest push does not pass."""
    if strongest <= 0:
        return 1.0
    ticks = nice_ticks(0.0, 2 * strongest, 9)
    return next(tick for tick in ticks if tick >= strongest * (1 - 1e-9))


def by_sector(pushes: Sequence[Push]) -> list[Share]:
    """Returns the share survived of the pushes from each of `SECTORS`."""
    return [share_of(p.survived for p in pushes if p.sector == k) for k in range(len(SECTORS))]


def by_strength(pushes: Sequence[Push], strongest: float) -> list[tuple[float, float, Share]]:
    """Returns lower and upper bound in N of each band of strength, and the share survived of it."""
    bands = []
    for k in range(BANDS):
        low, high = (strongest * share / BANDS for share in (k, k + 1))
        last = k == BANDS - 1
        within = [p for p in pushes if low <= p.force < high or (last and p.force >= high)]
        bands.append((low, high, share_of(p.survived for p in within)))
    return bands


def _polar(side: float, radius: float) -> Point:
    """Returns a point; up the page is ahead, and the left of the robot is left."""
    x, y = _CENTER - radius * math.sin(side), _CENTER - radius * math.cos(side)
    return round(x, 2), round(y, 2)


def _sector(k: int, share: Share) -> Sector:
    half = math.pi / len(SECTORS)
    middle, gap = 2 * half * k, 0.012
    inner, outer = _RADIUS + _GAP, _RADIUS + _GAP + _RIM
    right, left = middle - half + gap, middle + half - gap
    corners = [(right, inner), (right, outer), (left, outer), (left, inner)]
    a, b, c, d = (f"{x} {y}" for x, y in (_polar(*corner) for corner in corners))
    outline = f"M{a}L{b}A{outer} {outer} 0 0 0 {c}L{d}A{inner} {inner} 0 0 1 {a}Z"
    return Sector(outline, *_polar(middle, _RADIUS + _GAP + _RIM / 2), share)
