"""Runs `sim2edge audit`: begins, shows and verifies the audit log of a robot."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge_runtime.audit.audit_log import RetentionConfig, begin_log
from edge_runtime.audit.record import Record, parse
from edge_runtime.audit.segments import segments_of
from edge_runtime.audit.verification import Receipt, verify
from edge_runtime.config.document import read_table
from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.files import check_output, write_file
from edge_runtime.keys.key_file import new_key, read_key, write_key

CHANGED = 1  # exit code


@dataclass(frozen=True)
class AuditCommandConfig:
    """Begin, show or verify the audit log of a robot."""

    action: Literal["new", "show", "verify"]
    """new begins a log, show prints its records, verify names what was changed."""
    log: Path
    """The folder of the log."""
    key: Path | None = None
    """The key of the first record: 'new' writes it there, to be kept off the robot; 'verify' reads
    it."""
    public: str = ""
    """The robot's public key, which 'new' prints, to verify signatures without the first key."""
    receipt: Path | None = None
    """What the log's end was when it was verified before (a file of --write-receipt), to find out
    whether it was put back to an older state."""
    retention: RetentionConfig = RetentionConfig()
    """How long a new log is kept."""
    write_receipt: Path | None = None
    """Write what the log's end is, if it is intact, to this file, to be kept off the robot."""


def main(config: AuditCommandConfig) -> int:
    """Runs the command; returns 0, or 1 if the log was changed.

    Raises:
        UserError: there is no log, or a file cannot be read or written.
    """
    if config.action == "new":
        return _new(config)
    if config.action == "show":
        for record in _records(config.log):
            print(plain(_shown(record)))
        return 0
    return _verify(config)


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
    key = None if config.key is None else read_key(config.key, "an audit log", "sim2edge audit new")
    receipts = {}
    if config.receipt is not None:
        receipts[str(config.receipt)] = _read_receipt(config.receipt)
    verdict = verify(config.log, key, config.public, receipts)
    for finding in verdict.findings:
        print(plain(f"CHANGED: {finding}"))
    for remark in verdict.remarks:
        print(plain(remark))
    if not verdict.intact:
        print(f"{config.log}: {len(verdict.findings)} changes in {verdict.records} records")
        return CHANGED
    signed = f", {verdict.signed} of them signed" if verdict.signed else ""
    print(f"{config.log}: {verdict.records} records are intact{signed}")
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


def _read_receipt(path: Path) -> Receipt:
    document = read_table(path, "receipt")
    number, hash_ = document.get("number"), document.get("hash")
    if not isinstance(number, int) or not isinstance(hash_, str):
        raise UserError(f"{path} is no receipt; 'sim2edge audit verify --write-receipt' writes one")
    return Receipt(number, hash_)
