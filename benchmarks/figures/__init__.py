"""Prints what every benchmark measures: a figure beside its target and its peer from
the same run."""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """Holds a measured number, its target and its peer.

    Args:
        what: what was measured.
        value: the number, in `unit`.
        unit: "x", "ms", "steps/s", ...
        target: what it must reach; None if it is only printed.
        peer: name and value of what it is compared with.
        at_least: whether more is better.
    """

    what: str
    value: float
    unit: str
    target: float | None = None
    peer: str = ""
    at_least: bool = True

    @property
    def ok(self) -> bool:
        """Returns whether the target is reached."""
        if self.target is None:
            return True
        reached = self.value >= self.target if self.at_least else self.value <= self.target
        # Numpy's booleans cannot be written as JSON
        return bool(reached) and math.isfinite(self.value)


def parse_arguments(description: str | None) -> argparse.Namespace:
    """Parses the flags that every benchmark has: `json` and `quick`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON row per figure")
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    return parser.parse_args()


def report(figures: Sequence[Figure], as_json: bool) -> int:
    """Prints the figures as a table, or as JSON rows; returns 0 if all targets are reached."""
    if as_json:
        for figure in figures:
            value = float(figure.value)
            print(json.dumps({**asdict(figure), "value": value, "ok": figure.ok}))
    else:
        rows = [("what", "value", "target", "peer", ""), *map(cells, figures)]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        for row in rows:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())
    sys.stdout.flush()
    return 0 if all(figure.ok for figure in figures) else 1


def cells(figure: Figure) -> tuple[str, str, str, str, str]:
    """Returns name, value with unit, target, peer, and "ok", "MISSED" or nothing without a
    target."""
    target = ""
    if figure.target is not None:
        target = f"{'≥' if figure.at_least else '≤'} {figure.target:g}"
    value = f"{figure.value:.4g} {figure.unit}"
    judged = "" if figure.target is None else "ok" if figure.ok else "MISSED"
    return figure.what, value, target, figure.peer, judged


def seconds(run: Callable[[], object]) -> float:
    """Returns the duration of one call, s."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, tuple[float, ...]]:
    """Returns the duration of each run in every round; runs alternate, so that all meet the same
    noise."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(seconds(run))
    return {name: tuple(values) for name, values in taken.items()}


def median_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> float:
    """Returns the median of the ratios within each round."""
    return statistics.median(n / d for n, d in zip(numerator, denominator))
