"""Gathers what was measured in the trials: the spread of every metric, side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.evaluation.quantities import title
from policies.evaluation.suite_result import SuiteResult
from policies.report.charts import Histogram, common_axis
from policies.report.figures import Spread, Values, finite, spread_of

DURATION = "seconds"  # of a trial, shown among its metrics


@dataclass(frozen=True)
class Metric:
    """Shows a metric in each engine."""

    name: str
    spreads: tuple[Spread, ...]
    charts: tuple[Histogram, ...]
    is_share: bool  # it is 0 or 1 in each trial, and so has a mean but no distribution


def metrics_of(results: Sequence[SuiteResult]) -> list[Metric]:
    """Returns every metric of these results, and the duration; none where no trial finished."""
    if not any(r.trials for r in results):
        return []
    return [_metric(results, name) for name in metric_names(results)]


def metric_names(results: Sequence[SuiteResult]) -> list[str]:
    """Returns the names of all metrics, and the duration's, in the order they first appear."""
    names = dict.fromkeys(n for r in results for t in r.trials for n in t.metrics)
    return list(names | {DURATION: None})


def _metric(results: Sequence[SuiteResult], name: str) -> Metric:
    samples = [_values(result, name) for result in results]
    axis = common_axis(samples, 18.0, 322.0)
    charts = tuple(
        Histogram(title(name), result.engine, values, [t.success for t in result.trials], axis)
        for result, values in zip(results, samples)
    )
    known = finite(np.concatenate(samples))
    is_share = name != DURATION and bool(known.size) and bool(np.isin(known, (0.0, 1.0)).all())
    return Metric(name, tuple(map(spread_of, samples)), charts, is_share)


def _values(result: SuiteResult, name: str) -> Values:
    """Returns a metric of each trial, (n,), NaN where it has none."""
    default = [t.seconds if name == DURATION else math.nan for t in result.trials]
    return np.array([t.metrics.get(name, d) for t, d in zip(result.trials, default)], np.float64)
