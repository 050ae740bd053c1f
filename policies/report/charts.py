"""Computes where the marks of the charts go; `templates/charts.html.jinja` draws them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.evaluation.quantities import engine_name, number, percent
from policies.evaluation.suite_result import SuiteResult
from policies.report.figures import Spread, Values, finite, nice_ticks, spread_of

BINS = 24
_TAIL = 2.0  # ranges from 5 to 95 %, beyond which a value is counted rather than drawn


@dataclass(frozen=True)
class Axis:
    """Describes a horizontal axis from `low` to `high`, drawn `width` units wide from `left`."""

    low: float
    high: float
    left: float
    width: float

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Returns round values along the axis, with enough digits to differ."""
        values = nice_ticks(self.low, self.high)
        texts: list[str] = []
        for digits in range(3, 9):
            texts = [number(value, digits) for value in values]
            if len(set(texts)) == len(texts):
                break
        return list(zip(values, texts))

    def at(self, value: float) -> float:
        """Returns where a value is; values beyond the ends are at the ends."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.left + min(max(share, 0.0), 1.0) * self.width, 2)


def common_axis(samples: Sequence[Values], left: float, width: float) -> Axis:
    """Returns an axis that shows all these samples, (n,) each, but for values far out in a tail."""
    known = finite(np.concatenate([*samples, []]))
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


@dataclass(frozen=True, eq=False)
class Histogram:
    """Shows the distribution of a metric over the trials in one engine, failures apart.

    `values` and `success` are (n,), one of each trial; a value is NaN where there is none.
    """

    name: str
    engine: str
    values: Values
    success: Sequence[bool]
    axis: Axis  # shared with those it is compared with

    @property
    def spread(self) -> Spread:
        """Returns the quantiles of the values."""
        return spread_of(self.values)

    def bars(self, top: float, height: float) -> list[tuple[str, float, float, float, float]]:
        """Returns kind ("ok" or "bad"), x, y, width and height of each bar."""
        known, ok = np.isfinite(self.values), np.asarray(self.success, bool)
        edges = np.linspace(self.axis.low, self.axis.high, BINS + 1)
        inside = np.clip(self.values, self.axis.low, self.axis.high)
        passed, failed = (np.histogram(inside[known & which], edges)[0] for which in (ok, ~ok))
        unit = height / max(int((passed + failed).max()), 1)
        wide = self.axis.width / BINS - 1.0
        bars = []
        for edge, good, bad in zip(edges.tolist(), passed.tolist(), failed.tolist()):
            x, bottom = self.axis.at(edge), top + height
            bars += [("ok", x, bottom - unit * good, wide, unit * good)] * bool(good)
            bars += [("bad", x, bottom - unit * (good + bad), wide, unit * bad)] * bool(bad)
        return bars

    @property
    def words(self) -> str:
        """Returns what the chart shows, for those who cannot see it."""
        spread, what = self.spread, f"Distribution of {self.name} in {engine_name(self.engine)}"
        if not spread.count:
            return f"{what}: no values"
        low, median, high = (number(v) for v in (spread.low, spread.median, spread.high))
        text = f"{what}: {spread.count} values, median {median}, 5 to 95 % from {low} to {high}"
        known = finite(self.values)
        beyond = int(((known < self.axis.low) | (known > self.axis.high)).sum())
        tail = f"; {beyond} beyond the ends of the axis are in its end bars"
        return text + tail if beyond else text


@dataclass(frozen=True)
class FailuresCurve:
    """Shows the share of trials in one engine that had failed, over time."""

    name: str
    failures: tuple[float, ...]  # s, when each failed, ascending
    trials: int

    def path(self, axis: Axis, top: float, height: float) -> str:
        """Returns the SVG path of the curve, which rises by a step at each failure."""
        steps = [f"M{axis.at(0.0)} {top + height:g}"]
        for k, moment in enumerate(self.failures, start=1):
            steps.append(f"H{axis.at(moment)}V{round(top + height * (1 - k / self.trials), 2)}")
        return "".join([*steps, f"H{axis.at(axis.high)}"])


@dataclass(frozen=True)
class FailuresChart:
    """Shows the curves of all engines on one time axis."""

    axis: Axis
    curves: tuple[FailuresCurve, ...]

    @property
    def words(self) -> str:
        """Returns what the chart shows, for those who cannot see it."""
        ends = (
            f"{c.name}: {percent(len(c.failures) / c.trials if c.trials else math.nan)}"
            for c in self.curves
        )
        return f"Share failed over time. {' at the end; '.join(ends)} at the end"


def failures_chart(results: Sequence[SuiteResult]) -> FailuresChart | None:
    """Returns the chart of these results; None where no trial has a known end."""
    ends = finite(t.seconds for r in results for t in r.trials)
    if not ends.size:
        return None
    curves = []
    for result in results:
        failed = (t.seconds for t in result.trials if not t.success)
        moments = tuple(sorted(s for s in failed if math.isfinite(s)))
        curves.append(FailuresCurve(engine_name(result.engine), moments, len(result.trials)))
    return FailuresChart(Axis(0.0, float(ends.max()) or 1.0, 46.0, 400.0), tuple(curves))
