"""Prints results as a table, the engines side by side, and the trials that failed."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from policies.evaluation.measures import Values
from policies.evaluation.side_by_side import side_by_side
from policies.evaluation.suite_result import SuiteResult
from sim.envs.vector_env import MODEL

_SHOWN = 10  # failed trials
_WIDE = 120  # characters, of a table that goes to a file or another program


def print_figures(
    title: str,
    figures: Mapping[str, Mapping[str, Values]],
    units: Mapping[str, str],
    out: Console,
) -> None:
    """Prints a title and, below it, the table of what was measured, by engine and name.

    `units` are those of the task's metrics.
    """
    if not out.is_terminal:
        out.width = max(out.width, _WIDE)
    out.print(title, markup=False, highlight=False, soft_wrap=True, style="italic")
    out.print(side_by_side(figures, units))


def print_results(results: Sequence[SuiteResult], units: Mapping[str, str], out: Console) -> None:
    """Prints a suite's results, one for each engine, all of the same policy."""
    print_figures(_title(results), {r.engine: r.figures() for r in results}, units, out)
    for result in results:
        if result.note:
            out.print(f"{result.engine}: {result.note}", style="yellow", markup=False)
        failed = [trial for trial in result.trials if not trial.success]
        for trial in failed[:_SHOWN]:
            out.print(f"{result.engine} trial {trial.trial}: {trial.why}", markup=False)
        if len(failed) > _SHOWN:
            out.print(f"... and {len(failed) - _SHOWN} more in {result.engine}")


def _title(results: Sequence[SuiteResult]) -> str:
    first = results[0]
    counts = " and ".join(f"{len(r.trials)}" for r in results)
    where = " and ".join(r.engine for r in results)
    suite = first.source or first.suite
    title = f"{first.policy}: {first.task}, {suite}, {counts} trials in {where}, seed {first.seed}"
    return title if first.estimates == MODEL else f"{title}, {first.estimates} estimates"
