"""Tampers with audit logs: with their records, their bits, and with all that root can do."""

import dataclasses
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import Figure

from edge_runtime.audit.audit_log import AuditLog, begin_log
from edge_runtime.audit.countersignature import COUNTERSIGNED_FILE
from edge_runtime.audit.countersigning import (
    begin_server,
    countersign,
    kept_receipt,
    store_receipt,
)
from edge_runtime.audit.key_file import NextKey, read_next_key, write_next_key
from edge_runtime.audit.record import Record, digest, next_key, parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.signature import Signer
from edge_runtime.audit.verification import verify
from edge_runtime.keys.key_file import new_key

RECORDS = 40  # of a log that is tampered with
Lines = list[bytes]


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


def countersigned(folder: Path) -> list[Figure]:
    """Rewrites and cuts off a countersigned log as root, with all keys that lie on the robot."""
    log, server = folder / "log", folder / "server"
    _write(log)
    with AuditLog(log) as writer:
        signed, robot = writer.checkpoint().number, writer.public
    public = begin_server(server)
    countersign(server, log, robot)
    store_receipt(log, kept_receipt(server, robot), public)
    with AuditLog(log) as writer:
        writer.append("rolled back", {})
    path, key_file = _file(log), read_next_key(log)
    sound = path.read_bytes()
    lines, found, ways = sound.splitlines(), 0, 0
    for place in range(1, signed + 1):
        rewritten = _as_root(log, lines, place)
        for left in (rewritten, rewritten[:place]):
            path.write_bytes(b"".join(line + b"\n" for line in left))
            write_next_key(log, NextKey(len(left), key_file.key, digest(left[-1])))
            findings = verify(log, public=robot, server=public).findings
            ways, found = ways + 1, found + any("the server has seen" in what for what in findings)
    path.write_bytes(sound)
    write_next_key(log, key_file)
    receipt = log / COUNTERSIGNED_FILE
    content, bits, altered = receipt.read_bytes(), 0, 0
    for place in range(content.index(b"signature") + 13, len(content) - 4):
        receipt.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        altered += 1
        bits += any(COUNTERSIGNED_FILE in f for f in verify(log, server=public).findings)
    return [
        Figure(
            f"{ways} logs rewritten or cut off by root up to a countersignature: found",
            100 * found / ways,
            "%",
            100,
            "without the first key",
        ),
        Figure(f"{altered} countersignatures altered: found", 100 * bits / altered, "%", 100),
    ]


def _as_root(log: Path, lines: Lines, place: int) -> Lines:
    """Returns a log with another record at a place, chained, sealed and signed anew from there."""
    signer, key, done = Signer(log), b"stolen".ljust(32), lines[:place]
    for line in lines[place:]:
        content: dict[str, Any] = vars(parse(line)) | {"before": digest(done[-1])}
        if content["event"] == "checkpoint":
            signature = {"signature": signer.sign(content["before"]), "public_key": signer.public}
            content["details"] = signature
        if len(done) == place:
            content["time"] = "2027-01-01T00:00:00.000+00:00"
        done.append(Record(**content).sealed(key).line())
        key = next_key(key)
    return done
