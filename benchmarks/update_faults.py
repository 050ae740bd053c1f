"""Kills the writer of an audit log at random moments, and tampers with logs in every way."""

import dataclasses
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from figures import Figure, parse_arguments, report

from edge_runtime.audit.audit_log import AuditLog, begin_log
from edge_runtime.audit.record import parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.verification import verify
from edge_runtime.keys.key_file import new_key

RECORDS = 40  # of a log that is tampered with
_SPAWN = multiprocessing.get_context("spawn")
Lines = list[bytes]


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        figures = [
            *killed(Path(folder) / "killed", 40 if arguments.quick else 200),
            *tampered(Path(folder) / "tampered", 200 if arguments.quick else 2000),
        ]
    return report(figures, arguments.json)


def killed(folder: Path, times: int) -> list[Figure]:
    """Kills a process that records as fast as it can (`kill -9`), each time at another moment."""
    rng = random.Random(0)
    key = new_key()
    begin_log(folder, key)
    sound, last, acknowledged = 0, 0, set[int]()
    for _ in range(times):
        parent, child = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_record, args=(folder, child), daemon=True)
        process.start()
        child.close()
        acknowledged.add(parent.recv())  # that it has begun
        time.sleep(rng.uniform(0.0, 0.05))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        acknowledged |= _acknowledged(parent)
        dead = verify(folder, key).intact  # as the disk of a robot that does not start any more
        with AuditLog(folder) as log:
            last = log.append("booted", {}).number
        verdict = verify(folder, key)
        sound += dead and verdict.intact and verdict.last is not None
    lines = [line for segment in segments_of(folder) for line in segment.lines()]
    lost = len(acknowledged - {parse(line).number for line in lines})
    return [
        Figure(
            f"{times} × kill -9 while records are written: boots into a verified log",
            100 * sound / times,
            "%",
            100,
            f"{last + 1} records",
        ),
        Figure("… records lost that were acknowledged", lost, "records", 0, at_least=False),
    ]


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


def _record(folder: Path, acknowledge: Connection) -> None:
    with AuditLog(folder) as log:
        while True:
            acknowledge.send(log.append("guard", {"reaction": "hold"}).number)


def _acknowledged(pipe: Connection) -> set[int]:
    """Returns the numbers that came through a pipe whose writer was killed."""
    found = set[int]()
    with suppress(EOFError, OSError):
        while pipe.poll():
            found.add(pipe.recv())
    return found


if __name__ == "__main__":
    sys.exit(main())
