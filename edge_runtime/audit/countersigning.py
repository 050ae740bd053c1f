"""Lets a server countersign a robot's log, and the robot keep the receipt.

The robot's log reaches the server as a copy of its files, and the receipt comes back as a file.
The server remembers the last receipt of each robot, so that it signs no other past than that which
it has seen.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from edge_runtime.audit.audit_log import CHECKPOINT
from edge_runtime.audit.countersignature import (
    COUNTERSIGNED_FILE,
    Countersignature,
    read_countersignature,
)
from edge_runtime.audit.record import Record, digest, parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.signature import SIGNING_KEY, Signer, is_signed, new_signing_key
from edge_runtime.audit.verification import verify
from edge_runtime.errors import UserError
from edge_runtime.files import lock, make_folder, sync_folder

_KIND = "server"
_PUBLIC = re.compile("[0-9a-f]{64}")


def begin_server(folder: Path) -> str:
    """Makes a server's key in a new folder; returns its public key, hexadecimal.

    Raises:
        UserError: there is a server's folder already, or it cannot be written.
    """
    make_folder(folder)
    with lock(folder, _KIND):
        if (folder / SIGNING_KEY).exists():
            raise UserError(f"{folder} holds a signing key already; name another folder")
        try:
            new_signing_key(folder)
            sync_folder(folder)
        except OSError as error:
            raise UserError(f"cannot write {folder}: {error.strerror}; name another one") from None
    return Signer(folder).public


def countersign(
    folder: Path,
    log: Path,
    robot: str,
    first_key: bytes | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> Countersignature:
    """Signs the last checkpoint of a log that is intact and goes on from what was signed before.

    Args:
        folder: the server's folder, which keeps the receipt too.
        log: a copy of the robot's log, which nobody writes meanwhile.
        robot: the robot's public key, hexadecimal.
        first_key: the key of the log's first record, if the server has it.
        clock: the time now, UTC.

    Raises:
        UserError: the log was changed, is older than what was signed before, or has no checkpoint
            of that robot; or the receipt cannot be written.
    """
    if not _PUBLIC.fullmatch(robot):
        raise UserError(f"'{robot[:80]}' is no public key; 'sim2edge audit new' prints the robot's")
    signer = Signer(folder)
    with lock(folder, _KIND):
        kept, receipts = kept_receipt(folder, robot), {}
        if kept.exists():
            before = read_countersignature(kept)
            if not before.is_signed_by(signer.public) or before.robot != robot:
                raise UserError(f"{kept} is not what this server signed; restore it from a copy")
            receipts["this server"] = before.receipt
        verdict = verify(log, first_key, robot, receipts)
        if verdict.findings:
            raise UserError(f"{log} is not countersigned: {verdict.findings[0]}")
        checkpoint, line = _last_checkpoint(log, robot)
        time = clock().isoformat(timespec="seconds")
        unsigned = Countersignature(checkpoint.number, digest(line), robot, time, signer.public)
        done = unsigned.signed(signer)
        done.write(kept)
    return done


def kept_receipt(folder: Path, robot: str) -> Path:
    """Returns the file in which a server keeps its last receipt for a robot."""
    return folder / f"robot-{robot}.json"


def store_receipt(log: Path, receipt: Path, server: str) -> Countersignature:
    """Keeps a server's receipt in the folder of the robot's log, which may be written meanwhile.

    Args:
        log: the folder of the log.
        receipt: the file that came from the server.
        server: the server's public key, hexadecimal.

    Raises:
        UserError: it is not signed by the server, is older than the one that is there, or does not
            fit this log; or it cannot be written.
    """
    found, place = read_countersignature(receipt), log / COUNTERSIGNED_FILE
    if not found.is_signed_by(server):
        raise UserError(f"{receipt} is not signed by the server's key; fetch it again")
    if place.exists() and read_countersignature(place).number > found.number:
        raise UserError(f"{receipt} is older than the receipt in {place}; fetch the newest one")
    if found.hash not in _hashes_of(log, found.number):
        raise UserError(
            f"{receipt} is of another log, or record {found.number} of {log} was changed; see "
            f"'sim2edge audit verify {log} --receipt {receipt}'"
        )
    found.write(place)
    return found


def _last_checkpoint(log: Path, robot: str) -> tuple[Record, bytes]:
    """Returns the last checkpoint with a robot's signature, and its line."""
    last: tuple[Record, bytes] | None = None
    for record, line in _records(log):
        if record.event == CHECKPOINT:
            signature = str(record.details.get("signature", ""))
            if is_signed(robot, record.before, signature):
                last = record, line
    if last is None:
        raise UserError(
            f"{log} has no checkpoint of this robot; one is written at each run's end and each hour"
        )
    return last


def _hashes_of(log: Path, number: int) -> list[str]:
    return [digest(line) for record, line in _records(log) if record.number == number]


def _records(log: Path) -> Iterator[tuple[Record, bytes]]:
    """Yields the records that can be read, with their lines."""
    for segment in segments_of(log):
        for line in segment.lines():
            with suppress(UserError):  # the last one may be in writing
                yield parse(line), line
