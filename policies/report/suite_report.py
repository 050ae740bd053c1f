"""Reports a suite: `sim2edge eval --suite gauntlet --report FILE.html`."""

from collections.abc import Sequence
from pathlib import Path

from edge_runtime.errors import UserError
from policies.evaluation.gate import Gate
from policies.evaluation.policy_file import PolicyFile
from policies.evaluation.suite_result import SuiteResult, TrialResult
from policies.film.small_film import Film, small_film
from policies.report.evaluation_report import INTERRUPTED, EvaluationReport
from policies.report.page import write_report
from policies.train.provenance import describe_origin

_GOALS = {"faults": "as declared"}  # what a successful trial did, in words

TrialFilm = tuple[TrialResult, Path]
"""A trial, and the film of its end."""


def report_suite(
    path: Path,
    results: Sequence[SuiteResult],
    policy: PolicyFile,
    gate: Gate | None = None,
    films: Sequence[TrialFilm] = (),
    no_films: str = "",
) -> Path:
    """Writes the page, with films of the worst trials of each engine.

    Args:
        path: where, ending in .html.
        results: one an engine.
        policy: whose trials they are.
        gate: what is asked for.
        films: films of trials, as MP4.
        no_films: why there are no more.

    Raises:
        UserError: it cannot be written there.
    """
    origin = describe_origin()
    shown: list[Film] = []
    try:
        for trial, film in films:
            shown.append(small_film(film, trial.engine, trial.trial))
    except UserError as error:  # figures without films are better than nothing
        no_films = str(error)
    except KeyboardInterrupt:
        no_films = INTERRUPTED
    evaluation = EvaluationReport(
        results=tuple(results),
        contract=policy.contract,
        units=policy.task.metric_units,
        bounds=gate.judge({r.engine: r.summary() for r in results}) if gate else (),
        films=tuple(shown),
        goal=_GOALS.get(results[0].suite if results else "", "completed"),
        command=str(origin["command"]),
        no_films=no_films,
        origin=origin,
    )
    return write_report(path, evaluation)
