"""The trials one by one: the worst with their films, and all of them in a table."""

import base64
import math
from collections.abc import Mapping, Sequence

import numpy as np

from policies.evaluation.quantities import LABELS, engine_name, number, percent, title, with_unit
from policies.evaluation.suite_result import SuiteResult, TrialResult
from policies.film.small_film import Film
from policies.report.blocks import (
    Column,
    code,
    command_line,
    folded,
    mark,
    named,
    paragraph,
    section,
    table,
)
from policies.report.evaluation_report import Evaluation, worst_trials
from policies.report.markup import Child, Markup, element, join
from policies.report.measures_section import metric_names

WORST = 6  # trials told of by name, for each engine
EXTREMES = 3  # settings named for each,
_UNUSUAL = 0.25  # if at least this far, in shares of the trials, from the middle one


def worst_section(evaluation: Evaluation) -> Markup | None:
    """The trials that failed soonest, one of each kind first, and whatever was filmed."""
    cards = [card for result in evaluation.results for card in _cards(evaluation, result)]
    if not cards:
        return None
    filmed = any(not _trial(r, f.trial).success for r, f in _films(evaluation))
    text = "Those that failed soonest, one of each kind of failure first."
    if filmed:
        text += " A film shows a trial's last seconds."
    elif evaluation.films:
        text = "No trial failed; this is how a successful one looks."
    if evaluation.no_films:
        more = "more " if evaluation.films else ""
        text += f" There are no {more}films: {evaluation.no_films.rstrip('.')}."
    heading = "The worst trials" if filmed or not evaluation.films else "Filmed"
    return section("worst", heading, paragraph(text), element("div", *cards, class_="films"))


def trials_section(evaluation: Evaluation) -> Markup:
    """Every trial: what happened, its figures, and the command line that shows it again."""
    parts = [_table(evaluation, result) for result in evaluation.results if result.trials]
    if not parts:
        return section("trials", "Every trial", paragraph("No trial was finished."))
    text = "A click on a heading sorts by it."
    if any(evaluation.replay(r, t) for r in evaluation.results for t in r.trials[:1]):
        text += " The command line in a row shows that trial again."
    return section("trials", "Every trial", paragraph(text, class_="by"), *parts)


def video(film: Film, what: str) -> Markup:
    """A film that is part of the page."""
    poster = _data("image/jpeg", film.poster) if film.poster else None
    return element(
        "video",
        f"{what} Your browser does not play MP4.",
        src=_data("video/mp4", film.mp4),
        poster=poster,
        controls=True,
        muted=True,
        playsinline=True,
        preload="metadata",
        aria_label=what,
    )


def _films(evaluation: Evaluation) -> list[tuple[SuiteResult, Film]]:
    """The films of trials that are there."""
    by_engine = {r.engine: r for r in evaluation.results}
    return [
        (by_engine[f.engine], f)
        for f in evaluation.films
        if f.engine in by_engine and any(t.trial == f.trial for t in by_engine[f.engine].trials)
    ]


def _trial(result: SuiteResult, number_: int) -> TrialResult:
    return next(t for t in result.trials if t.trial == number_)


def _cards(evaluation: Evaluation, result: SuiteResult) -> list[Markup]:
    filmed = {film.trial: film for of, film in _films(evaluation) if of is result}
    worst = worst_trials(result, WORST)
    shown = [t for t in worst if t.trial in filmed]
    shown += [_trial(result, k) for k in filmed if all(t.trial != k for t in shown)]
    shown += [t for t in worst if t.trial not in filmed]
    return [_card(evaluation, result, t, filmed.get(t.trial)) for t in shown]


def _card(
    evaluation: Evaluation, result: SuiteResult, trial: TrialResult, film: Film | None
) -> Markup:
    engine = engine_name(result.engine)
    why = trial.why or (evaluation.goal if trial.success else "failed; why is not told")
    what = f"Trial {trial.trial} in {engine}: {why}."
    replay = evaluation.replay(result, trial)
    return element(
        "article",
        video(film, what) if film else None,
        element("h3", f"Trial {trial.trial} ", element("span", engine, class_="by")),
        paragraph(mark(trial.success, why), class_="why"),
        _extremes(result, trial),
        paragraph(command_line(replay)) if replay else None,
        class_="card",
    )


def _extremes(result: SuiteResult, trial: TrialResult) -> Markup | None:
    """The settings in which this trial was farthest from the middle of all."""
    ranked = []
    for name, value in trial.settings.items():
        others = np.array([t.settings.get(name, math.nan) for t in result.trials])
        others = others[np.isfinite(others)]
        if name not in LABELS and math.isfinite(value) and len(np.unique(others)) > 2:
            rank = float((others < value).mean() + 0.5 * (others == value).mean())
            if abs(rank - 0.5) >= _UNUSUAL:
                ranked.append((abs(rank - 0.5), name, value, rank))
    if not ranked:
        return None
    items = [
        element("li", element("strong", title(name)), f" {with_unit(name, value)}, {_rank(rank)}")
        for _, name, value, rank in sorted(ranked, key=lambda r: -r[0])[:EXTREMES]
    ]
    return join(paragraph("Most unlike the other trials in", class_="by"), element("ul", *items))


def _rank(rank: float) -> str:
    side, share = ("above", rank) if rank >= 0.5 else ("below", 1 - rank)
    return f"{side} {percent(share)} of them"


def _table(evaluation: Evaluation, result: SuiteResult) -> Markup:
    metrics = [n for n in metric_names([result]) if n != "seconds"]
    settings = list(dict.fromkeys(n for t in result.trials for n in t.settings))
    replayed = any(evaluation.replay(result, t) for t in result.trials[:1])
    pushed = any(t.pushes for t in result.trials)
    columns = [Column("trial"), Column("result", False)]
    columns += [Column(join("time ", element("span", "s", class_="unit")))]
    columns += [Column("what happened", False), *([Column("pushes survived")] if pushed else [])]
    columns += [Column(named(name)) for name in (*metrics, *settings)]
    columns += [Column("to see it again", False)] if replayed else []
    rows = [
        (
            trial.trial,
            mark(trial.success, evaluation.goal if trial.success else "failed"),
            number(trial.seconds, 4),
            trial.why,
            *([_pushes(trial)] if pushed else []),
            *_figures(trial.metrics, metrics),
            *_figures(trial.settings, settings),
            *([code(evaluation.replay(result, trial))] if replayed else []),
        )
        for trial in result.trials
    ]
    engine = engine_name(result.engine)
    caption = f"Every trial in {engine}"
    return folded(f"{engine}: all {len(rows)} trials", table(caption, columns, rows, sorts=True))


def _pushes(trial: TrialResult) -> str:
    return f"{sum(p.survived for p in trial.pushes)} of {len(trial.pushes)}"


def _figures(values: Mapping[str, float], names: Sequence[str]) -> list[Child]:
    return [number(values.get(name, math.nan), 4) for name in names]


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
