"""Runs `sim2edge audit`: begins, shows, verifies and countersigns the audit log of a robot."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_runtime.audit.audit_log import RetentionConfig, begin_log
from edge_runtime.audit.countersignature import read_countersignature
from edge_runtime.audit.countersigning import (
    begin_server,
    countersign,
    kept_receipt,
    store_receipt,
)
from edge_runtime.audit.record import Record, parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.verdict import Receipt
from edge_runtime.audit.verification import verify
from edge_runtime.config.document import read_table
from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.files import check_output, write_file
from edge_runtime.keys.key_file import new_key, read_key, write_key

CHANGED = 1  # exit code


@dataclass(frozen=True)
class AuditCommandConfig:
    """Begin, show, verify or countersign the audit log of a robot."""

    action: Literal["new", "show", "verify", "server", "countersign", "accept"]
    """new begins a log, show prints its records, verify names what was changed; server makes the
    key of a server, countersign signs there what the log of a robot holds, and accept keeps that on
    the robot."""
    log: Path
    """The folder of the log, or of the new server; 'countersign' takes a copy of the log."""
    key: Path | None = None
    """The key of the first record: 'new' writes it there, to be kept off the robot; 'verify' reads
    it."""
    public: str = ""
    """The robot's public key, which 'new' prints, to verify signatures without the first key."""
    server: Path | None = None
    """The folder of the server that countersigns."""
    server_public: str = ""
    """The server's public key, which 'server' prints, to verify what it has countersigned."""
    receipt: Path | None = None
    """What the log's end was when it was verified or countersigned before (a file of
    --write-receipt), to find out whether it was put back to an older state; 'accept' keeps it."""
    retention: RetentionConfig = RetentionConfig()
    """How long a new log is kept."""
    write_receipt: Path | None = None
    """Write what the log's end is, if it is intact, or what was countersigned, to this file, to be
    kept off the robot."""


def main(config: AuditCommandConfig) -> int:
    """Runs the command; returns 0, or 1 if the log was changed.

    Raises:
        UserError: there is no log, or a file cannot be read or written.
    """
    actions = {
        "new": _new,
        "show": _show,
        "verify": _verify,
        "server": _begin_server,
        "countersign": _countersign,
        "accept": _accept,
    }
    return actions[config.action](config)


def _show(config: AuditCommandConfig) -> int:
    for record in _records(config.log):
        print(plain(_shown(record)))
    return 0


def _begin_server(config: AuditCommandConfig) -> int:
    public = begin_server(config.log)
    print(f"{config.log}: keep this folder on the server alone, for its key countersigns logs")
    print(f"the server's public key, which verifies what it countersigned: {public}")
    return 0


def _countersign(config: AuditCommandConfig) -> int:
    if config.server is None:
        raise UserError("--server is missing; name the folder that 'sim2edge audit server' made")
    if not config.public:
        raise UserError("--public is missing; give the robot's key, which 'audit new' prints")
    if config.write_receipt is not None:
        check_output(config.write_receipt)
    done = countersign(config.server, config.log, config.public, _first_key(config))
    if config.write_receipt is not None:
        done.write(config.write_receipt)
    kept = config.write_receipt or kept_receipt(config.server, config.public)
    print(f"{kept}: all records up to the checkpoint {done.number} are countersigned")
    print(
        f"on the robot: sim2edge audit accept LOG --receipt {kept.name} --server-public "
        f"{done.server}"
    )
    return 0


def _accept(config: AuditCommandConfig) -> int:
    if config.receipt is None or not config.server_public:
        raise UserError("'accept' needs --receipt and --server-public: a server's receipt and key")
    kept = store_receipt(config.log, config.receipt, config.server_public)
    print(f"{config.log}: the server has signed all records up to {kept.number} on {kept.time}")
    return 0


def _first_key(config: AuditCommandConfig) -> bytes | None:
    if config.key is None:
        return None
    return read_key(config.key, "an audit log", "sim2edge audit new")


def _new(config: AuditCommandConfig) -> int:
    if config.key is None:
        raise UserError("--key is missing; name a file for the key that verifies the log")
    first = new_key()
    write_key(config.key, first)  # first, for a log whose key is nowhere proves nothing
    try:
        public = begin_log(config.log, first, config.retention)
    except BaseException:
        config.key.unlink(missing_ok=True)
        raise
    print(f"{config.log}: a log has begun; 'sim2edge run POLICY --audit {config.log}' writes it")
    print(f"{config.key}: keep this key off the robot, for it verifies the log, and could forge it")
    print(f"the robot's public key, which verifies its signatures: {public}")
    return 0


def _verify(config: AuditCommandConfig) -> int:
    if config.write_receipt is not None:
        check_output(config.write_receipt)
    receipts = {}
    if config.receipt is not None:
        receipts[str(config.receipt)] = _read_receipt(config.receipt, config.server_public)
    verdict = verify(config.log, _first_key(config), config.public, receipts, config.server_public)
    for finding in verdict.findings:
        print(plain(f"CHANGED: {finding}"))
    for remark in verdict.remarks:
        print(plain(remark))
    if not verdict.intact:
        print(f"{config.log}: {len(verdict.findings)} changes in {verdict.records} records")
        return CHANGED
    signed = f", {verdict.signed} of them signed" if verdict.signed else ""
    print(f"{config.log}: {verdict.records} records are intact{signed}")
    if verdict.countersigned:
        print(plain(f"the server has signed up to {verdict.countersigned}"))
    for what in verdict.unchecked:
        print(f"not checked: {what}")
    if config.write_receipt is not None and verdict.last is not None:
        receipt = {"number": verdict.last.number, "hash": verdict.last.hash}
        write_file(config.write_receipt, json.dumps(receipt) + "\n")
    return 0


def _records(folder: Path) -> Iterator[Record | str]:
    for segment in segments_of(folder):
        for number, line in enumerate(segment.lines(), 1):
            try:
                yield parse(line)
            except UserError:
                yield f"line {number} of {segment.path.name} is damaged"


def _shown(record: Record | str) -> str:
    if isinstance(record, str):
        return record
    details = ", ".join(f"{name} {_short(value)}" for name, value in record.details.items())
    return f"{record.number:6d}  {record.time}  {record.event:<16}  {record.who}  {details}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value)
    return text if len(text) <= 64 else f"{text[:61]}..."


def _read_receipt(path: Path, server: str) -> Receipt:
    document = read_table(path, "receipt")
    if "signature" in document:
        signed = read_countersignature(path)
        if server and not signed.is_signed_by(server):
            raise UserError(f"{path} is not signed by the server's key; fetch it again")
        return signed.receipt
    number, hash_ = document.get("number"), document.get("hash")
    if not isinstance(number, int) or not isinstance(hash_, str):
        raise UserError(f"{path} is no receipt; 'sim2edge audit verify --write-receipt' writes one")
    return Receipt(number, hash_)
