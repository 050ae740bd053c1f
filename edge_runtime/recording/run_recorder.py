"""Writes ticks to a run's log, without making the control loop wait."""

import dataclasses
import json
import math
from collections import deque
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edge_runtime.config.config_file import to_json
from edge_runtime.errors import UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.row_writer import RowWriter
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.contract import to_metadata
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.run_log_format import (
    ESTIMATE,
    EVENT,
    FIXED,
    FORMAT,
    HEAD,
    HEADER,
    ROWS,
    SENSOR,
    Column,
    row_dtype,
)
from edge_runtime.signals import Array, Signal

WRITE_EVERY = 0.4  # s; a crash loses the rows since the last write
_RING_SECONDS, _RING_ROWS = 10.0, 4096  # the larger is how long one write may take
_NOT_SENT = -1  # the mode in a row without a command


class RunRecorder:
    """Writes a row for each tick that it observes.

    Args:
        file: an empty file, which the caller closes after this object.
        loop: the loop to record, before its start.
        fusion: the name of its estimator.
        every: time between two writes, s.

    Raises:
        UserError: the header cannot be written.
    """

    def __init__(
        self, file: BlockFile, loop: ControlLoop, fusion: str, every: float = WRITE_EVERY
    ) -> None:
        self._file, self._controller = file, loop.controller
        columns = _columns(loop)
        header = {
            "format": FORMAT,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "robot": to_json(loop.robot.description),
            "policy": _about(loop.controller.policy),
            "fusion": fusion,
            "columns": to_json(columns),
        }
        try:
            file.append(HEADER, json.dumps(header).encode())
        except OSError as error:
            raise UserError(
                f"cannot write {file.path}: {error.strerror}; make room or write elsewhere"
            ) from None
        self._events: deque[dict[str, Any]] = deque()  # whose operations are atomic
        joints = len(loop.robot.description.joint_names)
        self._nothing: Array = np.zeros((3, joints), np.float32)  # for a row without a command
        self._lost = False
        capacity = max(_RING_ROWS, math.ceil(_RING_SECONDS * 1e9 / loop.period))
        self._writer = RowWriter(row_dtype(columns).itemsize, capacity, self._write, every)

    def observe(self, tick: Tick) -> None:
        """Copies a tick into the ring."""
        lost, sent = tick.lost, tick.sent
        if tick.controller is not self._controller or lost != self._lost:
            self._note(tick, lost)
        if sent is None:
            mode, target, stiffness, damping = _NOT_SENT, *self._nothing
        else:
            _, mode, target, stiffness, damping = sent
        head = HEAD.pack(
            tick.began,
            tick.sequence,
            tick.stamp,
            self._writer.given,
            tick.number,
            tick.missed,
            tick.fused,
            tick.was_reset,
            lost,
            tick.reaction,
            mode,
        )
        arrays = tick.sensed_and_estimated
        row: tuple[Any, ...] = (head, *arrays, tick.command, target, stiffness, damping)
        self._writer.put(b"".join(row))

    def close(self, error: str = "") -> None:
        """Writes the rows that are left and the event of the end.

        Args:
            error: what ended the run, if an error did.
        """
        self._writer.close()
        if not self._writer.failure:
            self._events.append({"event": "end", **self.as_dictionary(), "error": error})
            with suppress(OSError):
                self._write_events()

    def as_dictionary(self) -> dict[str, Any]:
        """Returns the report's entry: file, rows and losses, final after `close`."""
        return {
            "file": str(self._file.path),
            "rows": self._writer.written,
            "rows_lost": self._writer.given - self._writer.written,
            "bytes": self._file.size,
            "ended_early": self._writer.failure or None,
        }

    def described(self) -> str:
        """Describes file, rows and losses in one line."""
        report = self.as_dictionary()
        kept = f"{report['file']} ({report['rows']:,} ticks, {report['bytes'] / 1e6:.1f} MB)"
        lost = report["rows_lost"]
        if report["ended_early"]:
            return f"{kept} ended early: {report['ended_early']}; {lost:,} ticks are not in it"
        return f"{kept}; {lost:,} ticks lost, because the disk was too slow" if lost else kept

    def _note(self, tick: Tick, lost: bool) -> None:
        """Queues rare events: another policy, and an estimator that is lost or found again."""
        if tick.controller is not self._controller:
            self._controller = tick.controller
            self._events.append(
                {"event": "policy", "row": self._writer.given, "policy": tick.policy}
            )
        if lost != self._lost:
            self._lost = lost
            about = {"lost": bool(lost), "reason": tick.fusion.reason}
            self._events.append({"event": "estimator", "row": self._writer.given, **about})

    def _write(self, rows: bytes) -> None:
        self._write_events()
        self._file.append(ROWS, rows)

    def _write_events(self) -> None:
        while self._events:
            event = self._events.popleft()
            if isinstance(event.get("policy"), Policy):
                event["policy"] = _about(event["policy"])
            self._file.append(EVENT, json.dumps(event).encode())


def _about(policy: Policy) -> dict[str, Any]:
    """Returns a policy's file, hash and contract without golden vectors."""
    contract = dataclasses.replace(policy.contract, golden_observations=(), golden_actions=())
    return {
        "source": policy.source,
        "sha256": policy.sha256,
        "contract": to_metadata(contract),
    }


def _columns(loop: ControlLoop) -> tuple[Column, ...]:
    robot, commands = loop.robot.description, loop.controller.contract.commands
    joints = len(robot.joint_names)
    signals = [
        *(dataclasses.replace(s, name=SENSOR + s.name) for s in robot.signals),
        *(dataclasses.replace(s, name=ESTIMATE + s.name) for s in loop.fusion.provides),
        Signal("command", len(commands), ", ".join(dict.fromkeys(c.unit for c in commands))),
        *(Signal(n, joints, u) for n, u in (("target", "rad, rad/s"), ("stiffness", "Nm/rad"))),
        Signal("damping", joints, "Nm s/rad"),
    ]
    fixed = tuple(Column(name, kind, 1, unit) for name, kind, unit in FIXED)
    return fixed + tuple(Column(s.name, "<f4", s.size, s.unit, s.frame) for s in signals)
