"""Results of a suite as a table, the engines side by side, and the trials that failed."""

from collections.abc import Sequence

from rich.console import Console

from policies.evaluation.side_by_side import print_side_by_side
from policies.evaluation.suite_result import SuiteResult
from sim.envs.vector_env import MODEL

_SHOWN = 10  # failed trials


def print_results(results: Sequence[SuiteResult], console: Console | None = None) -> None:
    """Prints the results.

    Args:
        results: one for each engine, all of the same suite and policy.
        console: where to; by default the terminal.
    """
    out = console or Console()
    print_side_by_side(_title(results), {r.engine: r.figures() for r in results}, out)
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
