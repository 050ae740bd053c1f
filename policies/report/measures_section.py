"""What was measured in the trials: medians side by side, and distributions."""

import math
from collections.abc import Sequence

import numpy as np

from policies.evaluation.quantities import engine_name, number, percent, title
from policies.evaluation.suite_result import SuiteResult
from policies.report.blocks import Column, folded, named, paragraph, section, table
from policies.report.charts import common_axis, distribution
from policies.report.evaluation_report import Evaluation
from policies.report.figures import Spread, Values, finite, spread_of
from policies.report.markup import Markup, element, join

SHOWN = 6  # distributions in view; the others are folded
DURATION = "seconds"  # of a trial, told among its metrics


def measures_section(evaluation: Evaluation) -> Markup | None:
    """The section; None where nothing was measured."""
    names = metric_names(evaluation.results)
    if not names or not any(r.trials for r in evaluation.results):
        return None
    charts = [_chart(evaluation, name) for name in names if not _is_share(evaluation, name)]
    shown, rest = charts[:SHOWN], charts[SHOWN:]
    parts = [_table(evaluation, names)]
    if shown:
        parts += [element("h3", "Distributions"), _key(evaluation.goal)]
        parts.append(element("div", *shown, class_="grid2"))
    if rest:
        more = f"{len(rest)} more distribution{'s' * (len(rest) > 1)}"
        parts.append(folded(more, element("div", *rest, class_="grid2")))
    return section("measures", "What was measured", *parts)


def metric_names(results: Sequence[SuiteResult]) -> list[str]:
    """Every metric of these results, and the duration, in the order they first appear."""
    names = dict.fromkeys(n for r in results for t in r.trials for n in t.metrics)
    return [*names, *([] if DURATION in names else [DURATION])]


def values_of(result: SuiteResult, name: str) -> Values:
    """A metric of each trial, (n,), NaN where it has none."""
    if name == DURATION:
        return np.array([t.metrics.get(name, t.seconds) for t in result.trials], np.float64)
    return np.array([t.metrics.get(name, math.nan) for t in result.trials], np.float64)


def _is_share(evaluation: Evaluation, name: str) -> bool:
    """Whether it tells of each trial but yes or no."""
    known = np.concatenate([finite(values_of(r, name)) for r in evaluation.results])
    return name != DURATION and bool(known.size) and bool(np.isin(known, (0.0, 1.0)).all())


def _table(evaluation: Evaluation, names: Sequence[str]) -> Markup:
    heads = [Column("per trial", False)]
    for result in evaluation.results:
        engine = engine_name(result.engine)
        heads += [Column(join(engine, element("br"), "median")), Column("5 to 95 %")]
        heads += [Column("mean"), Column("trials")]
    rows = []
    for name in names:
        spreads = [spread_of(values_of(r, name)) for r in evaluation.results]
        cells = _share_cells if _is_share(evaluation, name) else _cells
        rows.append((named(name), *(cell for s in spreads for cell in cells(s))))
    return table("Median and spread of every metric, by engine", heads, rows)


def _cells(spread: Spread) -> tuple[str, str, str, str]:
    band = f"{number(spread.low)} to {number(spread.high)}" if spread.count else "–"
    return number(spread.median), band, number(spread.mean), str(spread.count)


def _share_cells(spread: Spread) -> tuple[str, str, str, str]:
    return "–", "–", percent(spread.mean, 1), str(spread.count)


def _chart(evaluation: Evaluation, name: str) -> Markup:
    samples = [values_of(r, name) for r in evaluation.results]
    axis = common_axis([s.tolist() for s in samples], 14.0, 330.0)
    several = len(samples) > 1
    rows: list[Markup] = []
    for result, values in zip(evaluation.results, samples):
        engine = engine_name(result.engine)
        if several:
            rows.append(paragraph(engine, class_="by"))
        success = [t.success for t in result.trials]
        rows.append(distribution(f"{title(name)} in {engine}", values, success, axis))
    return element("figure", element("figcaption", named(name)), *rows, class_="card")


def _key(goal: str) -> Markup:
    return paragraph(
        swatch("ok"),
        f"{goal}, ",
        swatch("bad"),
        "failed (hatched). Below each: from 5 to 95 %, box from 25 to 75 %, the median upright. "
        "A value far out in a tail is in the bar at the end of its axis.",
        class_="legend",
    )


def swatch(class_: str) -> Markup:
    """A patch of the colour that a legend explains."""
    patch = element("rect", width=16, height=12, class_=class_)
    return element("svg", patch, width=16, height=12, viewBox="0 0 16 12", aria_hidden="true")
