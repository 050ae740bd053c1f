"""Results of a suite as a table, the engines side by side, and the trials that failed."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from policies.suites.result import SuiteResult, TrialResult

_SHOWN = 10  # failed trials


def print_results(results: Sequence[SuiteResult], console: Console | None = None) -> None:
    """Print them.

    Args:
        results: of the same suite and policy, one for each engine.
        console: where to; by default the terminal.
    """
    out = console or Console()
    out.print(_table(results))
    for result in results:
        if result.note:
            out.print(f"{result.engine}: {result.note}", style="yellow", markup=False)
        failed = [trial for trial in result.trials if not trial.success]
        for trial in failed[:_SHOWN]:
            out.print(f"{result.engine} trial {trial.trial}: {trial.why}", markup=False)
        if len(failed) > _SHOWN:
            out.print(f"... and {len(failed) - _SHOWN} more in {result.engine}")


def _table(results: Sequence[SuiteResult]) -> Table:
    first = results[0]
    counts = " and ".join(f"{len(r.trials)}" for r in results)
    where = " and ".join(r.engine for r in results)
    table = Table(
        title=f"{first.policy}: {first.task}, {first.source or first.suite}, {counts} trials in "
        f"{where}, seed {first.seed}",
        title_justify="left",
    )
    table.add_column("")
    for result in results:
        for column in ("mean", "5 %", "median", "95 %"):
            head = f"{result.engine}\n{column}" if len(results) > 1 else column
            table.add_column(head, justify="right")
    summaries = [result.summary() for result in results]
    for name in dict.fromkeys(name for summary in summaries for name in summary):
        cells: list[str] = []
        for result, summary in zip(results, summaries):
            cells += [f"{summary[name]:.4g}" if name in summary else "", *_spread(result, name)]
        table.add_row(name, *cells)
    return table


def _spread(result: SuiteResult, name: str) -> list[str]:
    """5 %, median and 95 % of what differs from trial to trial."""
    values = [value for trial in result.trials if (value := _value(trial, name)) is not None]
    return [f"{q:.4g}" for q in np.quantile(values, (0.05, 0.5, 0.95))] if values else [""] * 3


def _value(trial: TrialResult, name: str) -> float | None:
    return trial.seconds if name == "seconds" else trial.metrics.get(name)
