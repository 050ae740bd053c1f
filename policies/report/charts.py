"""Charts as inline SVG: a distribution, a share with its interval, who is still going.

Colours come from the page's style, and none is needed to read them: failures are hatched, curves
dashed, dots and crosses differ in shape.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.evaluation.quantities import number, percent
from policies.report.figures import Share, Spread, Values, finite, nice_ticks, spread_of
from policies.report.markup import Markup, element, join

BINS = 24
DASHES = ("none", "7 4", "2 3")  # of the curves, in order
_TAIL = 2.0  # ranges from 5 to 95 %, beyond which a value is told rather than drawn


@dataclass(frozen=True)
class Axis:
    """A horizontal axis from `low` to `high`, drawn `width` units wide from `left`."""

    low: float
    high: float
    left: float
    width: float

    def at(self, value: float) -> float:
        """Where a value is; values beyond the ends are at the ends."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.left + min(max(share, 0.0), 1.0) * self.width, 2)

    def draw(self, top: float, height: float) -> Markup:
        """Grid lines over that height with the figures below them."""
        ticks = nice_ticks(self.low, self.high)
        places = [self.at(tick) for tick in ticks]
        bottom = top + height
        return join(
            *(line(x, top, x, bottom, "grid") for x in places),
            *(label(x, bottom + 15, number(tick), "middle") for x, tick in zip(places, ticks)),
        )


def svg(width: float, height: float, alt: str, *children: Markup, class_: str = "") -> Markup:
    """A picture with a text that says what it shows."""
    box = f"0 0 {width:g} {height:g}"
    size = {"width": width, "height": height, "class_": class_ or None}
    return element("svg", *children, viewBox=box, role="img", aria_label=alt, **size)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=_r(x1), y1=_r(y1), x2=_r(x2), y2=_r(y2), class_=class_)


def label(x: float, y: float, text: str, anchor: str = "start", class_: str = "tick") -> Markup:
    """A line of text."""
    return element("text", text, x=_r(x), y=_r(y), text_anchor=anchor, class_=class_)


def common_axis(samples: Sequence[Sequence[float]], left: float, width: float) -> Axis:
    """An axis that shows all these samples, but for values far out in a tail."""
    known = finite(v for sample in samples for v in sample)
    if not known.size:
        return Axis(0.0, 1.0, left, width)
    spread = spread_of(known)
    reach = _TAIL * (spread.high - spread.low)
    low, high = float(known.min()), float(known.max())
    if reach > 0:
        low, high = max(low, spread.low - reach), min(high, spread.high + reach)
    if not high > low:
        room = 0.5 * abs(low) or 0.5
        low, high = low - room, high + room
    return Axis(low, high, left, width)


def distribution(name: str, values: Values, success: Sequence[bool], axis: Axis) -> Markup:
    """A histogram, failures hatched upon successes, above its quartiles and 5–95 %.

    Args:
        name: of what, for those who cannot see it.
        values: (n,), NaN where there is none.
        success: (n,) of which trial.
        axis: shared with those it is compared with.
    """
    known = np.isfinite(values)
    spread, ok = spread_of(values), np.asarray(success, bool)
    edges = np.linspace(axis.low, axis.high, BINS + 1)
    inside = np.clip(values, axis.low, axis.high)
    passed, failed = (np.histogram(inside[known & which], edges)[0] for which in (ok, ~ok))
    most = max(int((passed + failed).max()), 1)
    top, height = 4.0, 62.0
    bars: list[Markup] = []
    for k, (good, bad) in enumerate(zip(passed, failed)):
        x, wide = axis.at(edges[k]), axis.width / BINS - 1.0
        tall, more = height * good / most, height * bad / most
        bars += [_bar(x, top + height - tall, wide, tall, "ok")] * bool(good)
        bars += [_bar(x, top + height - tall - more, wide, more, "bad")] * bool(bad)
    beyond = int((values[known] < axis.low).sum() + (values[known] > axis.high).sum())
    alt = f"Distribution of {name}: {_in_words(spread)}"
    if beyond:
        alt += f"; {beyond} beyond the ends of the axis are in its end bars"
    return svg(
        axis.left + axis.width + 14,
        106,
        alt,
        axis.draw(top, height + 18),
        *bars,
        *(_box(spread, axis, top + height + 11) if spread.count else ()),
        class_="chart",
    )


def share_bar(share: Share, bound: float | None, width: float = 220.0) -> Markup:
    """A share as a dot on its 95 % interval, from 0 to 100 %, and the bound it should reach."""
    axis = Axis(0.0, 1.0, 8.0, width - 16.0)
    low, high = share.interval
    parts = [line(axis.at(0), 14, axis.at(1), 14, "track")]
    parts += [line(axis.at(low), 14, axis.at(high), 14, "interval")] * bool(share.count)
    alt = f"{percent(share.value)}, 95 % interval {percent(low)} to {percent(high)}"
    if bound is not None and math.isfinite(bound):
        parts.append(line(axis.at(bound), 3, axis.at(bound), 25, "bound"))
        alt += f", at least {percent(bound)} asked for"
    if share.count:
        parts.append(element("circle", cx=axis.at(share.value), cy=14, r=5, class_="dot"))
    return svg(width, 28, alt, *parts, class_="chart")


def still_going(curves: Sequence[tuple[str, Sequence[float], Sequence[bool]]]) -> Markup:
    """The share of trials that has not failed, over time, one curve for each engine.

    Args:
        curves: name, seconds to the end (n,), success (n,).
    """
    ends = finite(s for _, seconds, _ in curves for s in seconds)
    if not ends.size:
        return Markup("")
    axis = Axis(0.0, float(ends.max()) or 1.0, 46.0, 400.0)
    top, height = 8.0, 150.0
    parts = [axis.draw(top, height)]
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = top + height * (1 - level)
        parts += [line(axis.left, y, axis.left + axis.width, y, "grid")]
        parts += [label(axis.left - 6, y + 4, percent(level), "end")]
    words = []
    for k, (name, seconds, success) in enumerate(curves):
        path, left = _steps(axis, top, height, seconds, success)
        dash = DASHES[k % len(DASHES)]
        parts.append(element("path", d=path, class_="curve", stroke_dasharray=dash))
        words.append(f"{name}: {percent(left)} at the end")
    parts.append(label(axis.left + axis.width / 2, top + height + 30, "seconds", "middle"))
    return svg(460, 190, "Share still going over time. " + "; ".join(words), *parts, class_="chart")


def legend_line(k: int) -> Markup:
    """How the k-th curve is drawn."""
    path = element("path", d="M2 6H34", class_="curve", stroke_dasharray=DASHES[k % len(DASHES)])
    return element("svg", path, width=36, height=12, viewBox="0 0 36 12", aria_hidden="true")


def patterns() -> Markup:
    """The hatching that all charts of a page share."""
    stripe = element("path", d="M0 6L6 0M-1 1L1 -1M5 7L7 5", class_="stripe")
    ground = element("rect", width=6, height=6, class_="hatched")
    pattern = element(
        "pattern", ground, stripe, id="hatch", width=6, height=6, patternUnits="userSpaceOnUse"
    )
    return element(
        "svg", element("defs", pattern), width=0, height=0, aria_hidden="true", class_="defs"
    )


def _steps(
    axis: Axis, top: float, height: float, seconds: Sequence[float], success: Sequence[bool]
) -> tuple[str, float]:
    """The path of a survival curve, and its last share."""
    count = len(seconds)
    failures = sorted(s for s, ok in zip(seconds, success) if not ok and math.isfinite(s))
    path, left = [f"M{axis.at(0)} {_r(top)}"], count
    for moment in failures:
        left -= 1
        path.append(f"H{axis.at(moment)}V{_r(top + height * (1 - left / count))}")
    path.append(f"H{axis.at(axis.high)}")
    return "".join(path), left / count if count else math.nan


def _box(spread: Spread, axis: Axis, y: float) -> list[Markup]:
    q1, median, q3 = spread.quartiles
    left, right = axis.at(q1), axis.at(q3)
    return [
        line(axis.at(spread.low), y, axis.at(spread.high), y, "whisker"),
        _bar(left, y - 4, max(right - left, 1.0), 8, "box"),
        line(axis.at(median), y - 7, axis.at(median), y + 7, "median"),
    ]


def _bar(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    return element("rect", x=_r(x), y=_r(y), width=_r(width), height=_r(height), class_=class_)


def _in_words(spread: Spread) -> str:
    if not spread.count:
        return "no values"
    low, median, high = (number(v) for v in (spread.low, spread.median, spread.high))
    return f"{spread.count} values, median {median}, 5 to 95 % from {low} to {high}"


def _r(value: float) -> float:
    return round(float(value), 2)
