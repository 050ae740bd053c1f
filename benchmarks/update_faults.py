"""Cuts the power of what changes policies and records it, and tampers with audit logs."""

import dataclasses
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from figures import Figure, parse_arguments, report
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

from edge_runtime.audit.audit_log import AuditLog, begin_log
from edge_runtime.audit.record import parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.verification import verify
from edge_runtime.keys.key_file import new_key

RECORDS = 40  # of a log that is tampered with
_MOST_SHOWN = 20  # faults
Lines = list[bytes]


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
            *cut(at / "cut", times),
            *tampered(Path(folder) / "tampered", 200 if arguments.quick else 2000),
        ]
    return report(figures, arguments.json)


def new(folder: Path) -> Path:
    """Makes a folder."""
    folder.mkdir()
    return folder


def cut(folder: Path, times: int) -> Iterator[Figure]:
    """Cuts the power of what is recorded of each operation, `times` times each."""
    outcomes = [cut_power(o, folder / str(n), times) for n, o in enumerate(OPERATIONS)]
    wrong = [line for outcome in outcomes for line in outcome.wrong]
    for line in wrong[:_MOST_SHOWN]:
        print(line, file=sys.stderr)
    for operation, outcome in zip(OPERATIONS, outcomes):
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
        acknowledged = kill_at_random(work, folder, rng, longest)
        said += len(acknowledged)
        try:
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


def tampered(folder: Path, flips: int) -> list[Figure]:
    """Changes logs in every way that needs no key, and counts what is found, and named."""
    rng = random.Random(1)
    key = _write(folder / "log")
    _write(folder / "other")
    path, foreign = _file(folder / "log"), _file(folder / "other").read_bytes().splitlines()
    sound = path.read_bytes()
    lines = sound.splitlines()
    found = named = ways = 0
    for change, what in _changes(foreign):
        for place in range(1, len(lines) - 2):
            path.write_bytes(b"".join(line + b"\n" for line in change(list(lines), place)))
            findings = verify(folder / "log", key).findings
            ways, found = ways + 1, found + bool(findings)
            named += any(what.format(place) in finding for finding in findings)
    bits = 0
    for _ in range(flips):
        content = bytearray(sound)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        bits += not verify(folder / "log", key).intact
    shutil.rmtree(folder)
    return [
        Figure(f"{ways} records changed, cut out, swapped, replayed, foreign or cut off: found",
               100 * found / ways, "%", 100),
        Figure("… and named", 100 * named / ways, "%", 100),
        Figure(f"{flips} random bits flipped: found", 100 * bits / flips, "%", 100),
    ]  # fmt: skip


def _changes(foreign: Lines) -> list[tuple[Callable[[Lines, int], Lines], str]]:
    """Returns ways to change a log at a record, and what must be said of it."""

    def edited(lines: Lines, at: int) -> Lines:
        changed = dataclasses.replace(parse(lines[at]), details={"policy": "another"})
        return [*lines[:at], changed.line(), *lines[at + 1 :]]

    return [
        (edited, "record {} ("),
        (lambda lines, at: lines[:at] + lines[at + 1 :], "record {} is missing"),
        (
            lambda lines, at: [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
            "record {} (",
        ),
        (lambda lines, at: [*lines, lines[at]], "record {} ("),
        (lambda lines, at: [*lines[:at], foreign[at], *lines[at + 1 :]], "record {} ("),
        (lambda lines, at: lines[:at], "records {} to"),
    ]


def _write(folder: Path) -> bytes:
    key = new_key()
    begin_log(folder, key)
    with AuditLog(folder) as log:
        for number in range(RECORDS):
            log.append("promoted", {"policy": f"{number:064x}"})
    return key


def _file(folder: Path) -> Path:
    (segment,) = segments_of(folder)
    return segment.path


if __name__ == "__main__":
    sys.exit(main())
