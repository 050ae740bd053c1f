"""Tabulates what each fault did: which reactions fired, how fast, and how the robot ended."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.table import Table

from policies.evaluation.suite_result import SuiteResult, TrialResult
from policies.faults.fault_suite import parts

HEADS = ("fault", "what fired, in its first trial", "slowest", "of declared time", "ended")

Row = tuple[str, str, str, str, str]


def fault_table(result: SuiteResult) -> Table:
    """Returns the table of a result of fault trials."""
    table = Table(*HEADS)
    for column in table.columns[2:4]:
        column.justify = "right"
    for row in fault_rows(result):
        table.add_row(*row)
    return table


def fault_rows(result: SuiteResult) -> Iterator[Row]:
    """Yields a row for each fault, as `HEADS`; "–" where no reaction is declared."""
    faults: dict[str, list[TrialResult]] = {}
    for trial in result.trials:
        faults.setdefault(parts(trial)[0], []).append(trial)
    for fault, trials in faults.items():
        yield fault, parts(trials[0])[1], *_slowest(trials), _ends(trials)


def _slowest(trials: Sequence[TrialResult]) -> tuple[str, str]:
    """Returns the slowest declared reaction, in ms and in shares of its declared time."""
    seconds, shares = (
        [t.metrics[name] for t in trials if name in t.metrics]
        for name in ("reaction_s", "of_declared_time")
    )
    return (
        f"{1e3 * max(seconds):.0f} ms" if seconds else "–",
        f"{100.0 * max(shares):.0f} %" if shares else "–",
    )


def _ends(trials: Sequence[TrialResult]) -> str:
    ends = Counter(parts(trial)[2] for trial in trials)
    return ", ".join(end if len(ends) == 1 else f"{end} {count}" for end, count in ends.items())
