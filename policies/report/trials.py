"""Chooses the trials that are shown with their films, and lays out the table of all."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from policies.evaluation.quantities import LABELS
from policies.evaluation.suite_result import SuiteResult, TrialResult
from policies.film.small_film import Film
from policies.report.distributions import DURATION, metric_names
from policies.report.evaluation_report import EvaluationReport, worst_trials

WORST = 6  # trials shown one by one, for each engine
EXTREMES = 3  # settings named for each,
_UNUSUAL = 0.25  # if at least this far, in shares of the trials, from the middle one


@dataclass(frozen=True)
class Extreme:
    """Describes a setting of a trial that is far from the middle of all trials."""

    name: str
    value: float
    above: bool  # most of the others
    passed: int  # of the others, those that it is above, or else below
    others: int


@dataclass(frozen=True)
class TrialCard:
    """Shows one trial with its film, if there is one."""

    result: SuiteResult
    trial: TrialResult
    film: Film | None
    extremes: list[Extreme]
    """The settings farthest from the middle of all trials."""


@dataclass(frozen=True)
class WorstSection:
    """Shows trials one by one."""

    cards: list[TrialCard]
    failed_on_film: bool


@dataclass(frozen=True)
class TrialTable:
    """Lists all trials in one engine."""

    engine: str
    figures: list[str]  # names of metrics and settings
    rows: list[tuple[TrialResult, list[float], str]]
    """A trial, its figures (NaN where it has none), and the command line that repeats it."""
    pushed: bool
    replayed: bool


def worst_section(report: EvaluationReport) -> WorstSection | None:
    """Returns the trials that failed soonest and all that were filmed; None without any."""
    cards = [card for result in report.results for card in _cards(report, result)]
    filmed = any(card.film and not card.trial.success for card in cards)
    return WorstSection(cards, filmed) if cards else None


def trial_tables(report: EvaluationReport) -> list[TrialTable]:
    """Returns a table for each engine in which a trial finished."""
    return [_table(report, result) for result in report.results if result.trials]


def _cards(report: EvaluationReport, result: SuiteResult) -> Iterator[TrialCard]:
    trials = {t.trial: t for t in result.trials}
    filmed = {f.trial: f for f in report.films if f.engine == result.engine and f.trial in trials}
    worst = worst_trials(result, WORST)
    shown = [t for t in worst if t.trial in filmed]
    shown += [trials[k] for k in filmed if trials[k] not in shown]
    shown += [t for t in worst if t.trial not in filmed]
    for trial in shown:
        yield TrialCard(result, trial, filmed.get(trial.trial), _extremes(result, trial))


def _extremes(result: SuiteResult, trial: TrialResult) -> list[Extreme]:
    ranked: list[tuple[float, Extreme]] = []
    for name, value in trial.settings.items():
        others = np.array([t.settings.get(name, math.nan) for t in result.trials])
        others = others[np.isfinite(others)]
        if name in LABELS or not math.isfinite(value) or len(np.unique(others)) <= 2:
            continue
        below, above = int((others < value).sum()), int((others > value).sum())
        far = abs(below - above) / (2 * len(others))
        if far >= _UNUSUAL:
            extreme = Extreme(name, value, below > above, max(below, above), len(others) - 1)
            ranked.append((far, extreme))
    return [extreme for _, extreme in sorted(ranked, key=lambda e: -e[0])][:EXTREMES]


def _table(report: EvaluationReport, result: SuiteResult) -> TrialTable:
    metrics = [name for name in metric_names([result]) if name != DURATION]
    settings = list(dict.fromkeys(name for t in result.trials for name in t.settings))
    rows = []
    for trial in result.trials:
        figures = [trial.metrics.get(name, math.nan) for name in metrics]
        figures += [trial.settings.get(name, math.nan) for name in settings]
        rows.append((trial, figures, report.replay(result, trial)))
    return TrialTable(
        engine=result.engine,
        figures=[*metrics, *settings],
        rows=rows,
        pushed=any(t.pushes for t in result.trials),
        replayed=any(replay for *_, replay in rows),
    )
