"""Compares figures with those of an older commit, measured in turns in the same run.

A figure counts as not worse when the median of its runs is no worse than the worst run of the old
commit: what lies between is noise of the machine. One without a target is printed and not judged.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from figures import Figure

ROOT = Path(__file__).parents[2]
PACKAGES = (".", "ros_ws/src/sim2edge_ros")  # folders of a checkout that hold packages
Runs = dict[str, list[dict[str, Any]]]  # rows of each run, by what they measure


def against(commit: str, scripts: Sequence[str], rounds: int, quick: bool) -> Iterator[Figure]:
    """Yields each figure with the old commit's as its target.

    Args:
        commit: the commit to compare with.
        scripts: names of benchmarks.
        rounds: runs of each script on either side.
        quick: whether they are shorter and rougher.
    """
    with tempfile.TemporaryDirectory(prefix="sim2edge-") as folder:
        old = Path(folder)
        _unpack(commit, old)
        for script in scripts:
            if (old / "benchmarks" / script).exists():
                yield from _compare(old, script, rounds, quick)


def _unpack(commit: str, folder: Path) -> None:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def _compare(old: Path, script: str, rounds: int, quick: bool) -> Iterator[Figure]:
    """Yields the figures that both versions of a script print; the old one is the target."""
    before: Runs = {}
    after: Runs = {}
    for number in range(rounds):
        print(f"{script}: round {number + 1} of {rounds} …", file=sys.stderr, flush=True)
        for checkout, runs in ((old, before), (ROOT, after)):
            for row in _run(checkout, script, quick):
                runs.setdefault(row["what"], []).append(row)
    for what in before:
        if what in after:
            yield _figure(f"{script}: {what}", before[what], after[what])


def _run(checkout: Path, script: str, quick: bool) -> Iterable[dict[str, Any]]:
    """Returns the rows that a checkout's own script prints with its own packages."""
    path = os.pathsep.join(str(checkout / folder) for folder in PACKAGES)
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}", "--json", *["--quick"] * quick],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _figure(what: str, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Figure:
    more_is_better, judged = bool(after[0]["at_least"]), after[0]["target"] is not None
    old = [row["value"] for row in before]
    worst = min(old) if more_is_better else max(old)
    return Figure(
        what,
        statistics.median(row["value"] for row in after),
        after[0]["unit"],
        worst if judged else None,
        f"median before: {statistics.median(old):.4g}",
        more_is_better,
    )
