"""The failure map: every push by where it came from and how strong it was, and who fell.

The robot stands in the middle, seen from above, and looks up the page; a push lies on the side that
it came from, the farther out the stronger.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from policies.evaluation.quantities import number, percent
from policies.report.charts import label, svg
from policies.report.figures import Share, nice_ticks
from policies.report.markup import Markup, element

SECTORS = ("front", "front left", "left", "back left", "back", "back right", "right", "front right")
BANDS = 4  # of strength, for the table beside the map
_CENTER, _RADIUS, _RING = 210.0, 150.0, 34.0


@dataclass(frozen=True)
class Push:
    """A push, for the map."""

    trial: int
    side: float  # rad to the left of the robot's heading, from where it came
    force: float  # N
    survived: bool

    @property
    def sector(self) -> int:
        """Which of `SECTORS` it came from."""
        width = 2 * math.pi / len(SECTORS)
        return round(self.side / width) % len(SECTORS)


def failure_map(pushes: Sequence[Push], strongest: float) -> Markup:
    """The picture.

    Args:
        pushes: known ones.
        strongest: N, at the rim; the same for all the maps that are compared.
    """
    shares = by_sector(pushes)
    parts = [_sector(k, share) for k, share in enumerate(shares)]
    for force in nice_ticks(0.0, strongest, 5)[1:]:
        radius = _RADIUS * force / strongest
        parts.append(element("circle", cx=_CENTER, cy=_CENTER, r=_r(radius), class_="ring"))
    parts += _forces(strongest)  # below the pushes, none of which they may hide
    dots = "".join(f"M{x} {y}h0" for x, y in (_place(p, strongest) for p in pushes if p.survived))
    parts.append(element("path", d=dots, class_="survived"))
    parts += [_cross(push, strongest) for push in pushes if not push.survived]
    parts.append(_robot())
    parts += [_share(k, share) for k, share in enumerate(shares)]
    size = 2 * _CENTER
    return svg(size, size, _in_words(pushes, shares), *parts, class_="chart map")


def by_sector(pushes: Sequence[Push]) -> list[Share]:
    """The share survived of the pushes from each of `SECTORS`."""
    return [
        Share(sum(p.survived for p in within), len(within))
        for within in ([p for p in pushes if p.sector == k] for k in range(len(SECTORS)))
    ]


def by_strength(pushes: Sequence[Push], strongest: float) -> list[tuple[float, float, Share]]:
    """Lower and upper bound in N of each band of strength, and the share survived of it."""
    bands = []
    for k in range(BANDS):
        low, high = (strongest * share / BANDS for share in (k, k + 1))
        last = k == BANDS - 1
        within = [p for p in pushes if low <= p.force < high or (last and p.force >= high)]
        bands.append((low, high, Share(sum(p.survived for p in within), len(within))))
    return bands


def _place(push: Push, strongest: float) -> tuple[float, float]:
    radius = _RADIUS * min(push.force / strongest, 1.0)
    return _polar(push.side, radius)


def _polar(side: float, radius: float) -> tuple[float, float]:
    """Up the page is ahead, and the left of the robot is left."""
    return _r(_CENTER - radius * math.sin(side)), _r(_CENTER - radius * math.cos(side))


def _sector(k: int, share: Share) -> Markup:
    """A piece of the rim, the darker the more fell."""
    half = math.pi / len(SECTORS)
    middle, gap = 2 * half * k, 0.012
    inner, outer = _RADIUS + 6, _RADIUS + 6 + _RING
    a, b = middle - half + gap, middle + half - gap
    corners = [_polar(a, inner), _polar(a, outer), _polar(b, outer), _polar(b, inner)]
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    outline = (
        f"M{ax} {ay}L{bx} {by}A{outer} {outer} 0 0 0 {cx} {cy}L{dx} {dy}"
        f"A{inner} {inner} 0 0 1 {ax} {ay}Z"
    )
    fallen = 0.0 if not share.count else 1.0 - share.value
    return element("path", d=outline, class_="sector", fill_opacity=_r(0.08 + 0.72 * fallen))


def _share(k: int, share: Share) -> Markup:
    x, y = _polar(2 * math.pi * k / len(SECTORS), _RADIUS + 6 + _RING / 2)
    text = percent(share.value) if share.count else "none"
    first = element("tspan", text, x=x, class_="strong")
    second = element("tspan", f"of {share.count}", x=x, dy=13)
    return element("text", first, second, x=x, y=_r(y - 2), text_anchor="middle", class_="tick")


def _cross(push: Push, strongest: float) -> Markup:
    x, y = _place(push, strongest)
    tip = f"trial {push.trial}: fell after {number(push.force)} N from the {SECTORS[push.sector]}"
    shape = f"M{_r(x - 4)} {_r(y - 4)}l8 8m0-8l-8 8"
    return element("path", element("title", tip), d=shape, class_="fell")


def _robot() -> Markup:
    tip, wing = 9.0, 6.0
    shape = f"M{_CENTER} {_CENTER - tip}l{wing} {2 * wing}l{-wing}-3l{-wing} 3Z"
    return element("path", d=shape, class_="robot")


def _forces(strongest: float) -> list[Markup]:
    """How strong each ring is, written along a line between two sectors."""
    side = -math.pi / len(SECTORS)
    texts = []
    for force in nice_ticks(0.0, strongest, 5)[1:]:
        x, y = _polar(side, _RADIUS * force / strongest)
        texts.append(label(x, y + 4, f"{number(force)} N", "middle", "tick halo"))
    return texts


def _in_words(pushes: Sequence[Push], shares: Sequence[Share]) -> str:
    whole = Share(sum(p.survived for p in pushes), len(pushes))
    sides = ", ".join(
        f"{name} {percent(share.value)} of {share.count}"
        for name, share in zip(SECTORS, shares)
        if share.count
    )
    return f"Failure map of {len(pushes)} pushes, {percent(whole.value)} survived: {sides}"


def _r(value: float) -> float:
    return round(float(value), 2)
