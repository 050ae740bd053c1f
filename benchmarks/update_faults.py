"""Cuts the power of what changes policies and records it, and tampers with logs and experience.

Also measures what a store of experience costs the control loop, and what it refuses.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from experience_store.refusals import refusals
from experience_store.tick import tick_overhead
from figures import Figure, parse_arguments, report
from power_cut.experience import STORE_OPERATIONS, write_on_and_on, wrong_experience
from power_cut.kills import Work, kill_at_random
from power_cut.operations import (
    OPERATIONS,
    prepare_all,
    promote_on_and_on,
    record_on_and_on,
    wrong_all,
    wrong_log,
)
from power_cut.trials import cut_power
from tampering.audit_log import countersigned, tampered
from tampering.experience import tampered_experience

_MOST_SHOWN = 20  # faults


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        at, times = Path(folder), 40 if arguments.quick else 200
        figures = [
            killed("policies change", promote_on_and_on, wrong_all, new(at / "kill"), times, 0.3),
            killed(
                "records are written", record_on_and_on, wrong_log, new(at / "log"), times, 0.05
            ),
            killed(
                "experience is written",
                write_on_and_on,
                wrong_experience,
                new(at / "rows"),
                times,
                0.05,
            ),
            *cut(at / "cut", times),
            *tampered(at / "tampered", 200 if arguments.quick else 2000),
            *countersigned(at / "countersigned"),
            *tampered_experience(at / "experience", 100 if arguments.quick else 1000),
            *tick_overhead(at / "tick", 30 if arguments.quick else 240),
            *refusals(new(at / "refused")),
        ]
    return report(figures, arguments.json)


def new(folder: Path) -> Path:
    """Makes a folder."""
    folder.mkdir()
    return folder


def cut(folder: Path, times: int) -> Iterator[Figure]:
    """Cuts the power of what is recorded of each operation, `times` times each."""
    operations = (*OPERATIONS, *STORE_OPERATIONS)
    outcomes = [cut_power(o, folder / str(n), times) for n, o in enumerate(operations)]
    wrong = [line for outcome in outcomes for line in outcome.wrong]
    for line in wrong[:_MOST_SHOWN]:
        print(line, file=sys.stderr)
    for operation, outcome in zip(operations, outcomes):
        yield Figure(
            f"{outcome.trials} × power cut of: {operation.name}: all sound, nothing lost",
            100 * (1 - len(outcome.wrong) / outcome.trials),
            "%",
            100,
            f"{outcome.events} calls",
        )


def killed(
    what: str,
    work: Work,
    check: Callable[[Path, list[Any]], str],
    folder: Path,
    times: int,
    longest: float,
) -> Figure:
    """Kills a process that works as fast as it can (`kill -9`), each time at another moment."""
    rng = random.Random(0)
    prepare_all(folder)
    wrong, said = 0, 0
    for _ in range(times):
        try:
            acknowledged = kill_at_random(work, folder, rng, longest)
            said += len(acknowledged)
            found = check(folder, acknowledged)
        except Exception as error:  # a start that fails is what is looked for
            found = f"{type(error).__name__}: {error}"
        if found:
            wrong += 1
            print(f"{what}: {found}", file=sys.stderr)
    return Figure(
        f"{times} × kill -9 while {what}: all sound, nothing lost",
        100 * (1 - wrong / times),
        "%",
        100,
        f"{said} steps",
    )


if __name__ == "__main__":
    sys.exit(main())
