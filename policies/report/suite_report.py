"""Reports a suite: `sim2edge eval --suite gauntlet --report FILE.html`."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Contract
from policies.evaluation.gate import Gate
from policies.evaluation.suite_result import SuiteResult, TrialResult
from policies.film.small_film import Film, small_film
from policies.report.evaluation_report import INTERRUPTED, EvaluationReport, bounds_of, worst_trials
from policies.report.page import write_report
from policies.train.provenance import describe_origin

FILMED = 3  # trials, in each engine
_GOALS = {"faults": "as declared"}  # what a successful trial did, in words

FilmTrial = Callable[[TrialResult, Path], object]
"""Films the end of a trial into an MP4 file; UserError where this machine cannot draw."""


def report_suite(
    path: Path,
    results: Sequence[SuiteResult],
    contract: Contract,
    gate: Gate | None = None,
    film: FilmTrial | None = None,
) -> Path:
    """Writes the page, with films of the worst trials of each engine.

    Args:
        path: where, ending in .html.
        results: one an engine.
        contract: the policy's.
        gate: what is asked for.
        film: films a trial; None leaves films out.

    Raises:
        UserError: it cannot be written there.
    """
    origin = describe_origin()
    evaluation = EvaluationReport(
        results=tuple(results),
        contract=contract,
        bounds=bounds_of(gate, {r.engine: r.summary() for r in results}) if gate else (),
        goal=_GOALS.get(results[0].suite if results else "", "completed"),
        command=str(origin["command"]),
        origin=origin,
    )
    if film is not None:
        films, missing = _films(results, film)
        evaluation = replace(evaluation, films=tuple(films), no_films=missing)
    return write_report(path, evaluation)


def _films(results: Sequence[SuiteResult], film: FilmTrial) -> tuple[list[Film], str]:
    """Returns films as far as they could be made, and why there are no more."""
    films: list[Film] = []
    if any(result.interrupted for result in results):
        return films, INTERRUPTED
    try:
        for result in results:
            for trial in worst_trials(result, FILMED):
                films.append(_film(result, trial, film))
    except UserError as error:  # figures without films are better than nothing
        return films, str(error)
    except KeyboardInterrupt:
        return films, INTERRUPTED
    return films, ""


def _film(result: SuiteResult, trial: TrialResult, film: FilmTrial) -> Film:
    with tempfile.TemporaryDirectory(prefix="sim2edge-") as folder:
        path = Path(folder) / "trial.mp4"
        film(trial, path)
        return small_film(path, result.engine, trial.trial)
