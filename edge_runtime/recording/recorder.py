"""Keeps what the control loop does in a run's log, without making it wait."""

import dataclasses
import json
import math
from collections import deque
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edge_runtime.config.document import to_json
from edge_runtime.errors import UserError
from edge_runtime.loop.control_loop import ControlLoop
from edge_runtime.loop.tick import Tick
from edge_runtime.policy.contract import to_metadata
from edge_runtime.policy.inference import Policy
from edge_runtime.recording.block_file import BlockFile
from edge_runtime.recording.row_writer import RowWriter
from edge_runtime.recording.run_log import (
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

WRITE_EVERY = 0.4  # s; what is not yet written is lost with the process
_RING_SECONDS, _RING_ROWS = 10.0, 4096  # at least, that a disk may take for one write
_NOT_SENT = -1  # in place of a mode: nothing is known of the robot yet


class RunRecorder:
    """Writes a row for each tick that it observes.

    Args:
        file: an empty one, to be closed after this.
        loop: which must not run yet.
        fusion: name of its estimator.
        every: s between two writes.

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
        self._nothing: Array = np.zeros((3, joints), np.float32)  # in place of a command
        self._lost = False
        capacity = max(_RING_ROWS, math.ceil(_RING_SECONDS * 1e9 / loop.period))
        self._writer = RowWriter(row_dtype(columns).itemsize, capacity, self._write, every)

    def observe(self, tick: Tick) -> None:
        """Copy a tick; called by the loop's thread, for which it never waits."""
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
        """Write what is left, and how the run ended."""
        self._writer.close()
        if not self._writer.failure:
            self._events.append({"event": "end", **self.as_dictionary(), "error": error})
            with suppress(OSError):
                self._write_events()

    def as_dictionary(self) -> dict[str, Any]:
        """What became of it, for the report; after `close` for good."""
        return {
            "file": str(self._file.path),
            "rows": self._writer.written,
            "rows_lost": self._writer.given - self._writer.written,
            "bytes": self._file.size,
            "ended_early": self._writer.failure or None,
        }

    def described(self) -> str:
        """What became of it, for people."""
        report = self.as_dictionary()
        kept = f"{report['file']} ({report['rows']:,} ticks, {report['bytes'] / 1e6:.1f} MB)"
        lost = report["rows_lost"]
        if report["ended_early"]:
            return f"{kept} ended early: {report['ended_early']}; {lost:,} ticks are not in it"
        return f"{kept}; {lost:,} ticks lost, for the disk was too slow" if lost else kept

    def _note(self, tick: Tick, lost: bool) -> None:
        """Note what happens so rarely that it may take a few microseconds more."""
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
    """Name, hash and contract, without its golden vectors."""
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
