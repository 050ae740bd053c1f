"""Reads the log of a run as what its control loop gave to its estimator.

Signals named `true_attitude`, `true_velocity` and `true_position`, which the simulated robot adds
to a run with a log, are the reference.
"""

from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.measurement import FusedSample, GnssFix, Measurement
from edge_runtime.recording.run_log_format import ESTIMATE, SENSOR, RunRecord, read_run_log
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import Float

TRUE_ATTITUDE, TRUE_VELOCITY, TRUE_POSITION = "true_attitude", "true_velocity", "true_position"
FIX = "gnss_position"


def read_run(path: Path) -> Log:
    """Reads the log of a run; its `config` is the `RunRecord`.

    Raises:
        UserError: it cannot be read, or holds no sample.
    """
    record = read_run_log(path)
    measurements = _measurements(record)
    if not measurements:
        raise UserError(f"'{path}' holds no sample that an estimator was given")
    return Log(
        measurements=measurements,
        arrivals=np.array([m.stamp for m in measurements]),
        reference=_reference(record),
        name=path.stem,
        estimator=record.fusion,
        config=record,
        notes=_notes(record),
    )


def _notes(record: RunRecord) -> tuple[str, ...]:
    """Returns the log's own faults, a line each."""
    rows, notes = record.rows, list(record.damage)
    lost = int(rows["row"][-1]) + 1 - len(rows)
    if lost:
        notes.append(f"{lost:,} ticks are missing, and with them what was sensed")
    if not record.complete:
        notes.append("the run, or its log, was cut off: the last moments are missing")
    return tuple(notes)


def _measurements(record: RunRecord) -> tuple[Measurement, ...]:
    """Returns the samples that the estimator was given, and each new fix, for the picture."""
    robot, rows = record.robot, record.rows
    sensors = [np.ascontiguousarray(rows[SENSOR + s.name]) for s in robot.signals]
    estimates = [rows[name] for name in rows.dtype.names or () if name.startswith(ESTIMATE)]
    outputs = np.concatenate([np.zeros((len(rows), 0), np.float32), *estimates], axis=1)
    found: list[Measurement] = []
    before, fix, reset = -1, b"", False
    for k in range(len(rows)):
        row = rows[k]
        reset |= bool(row["reset"])
        if not row["fused"]:
            continue
        signals = {s.name: values[k : k + 1] for s, values in zip(robot.signals, sensors)}
        stamp, sequence, periods = float(row["stamp"]), int(row["sequence"]), int(row["fused"])
        if before >= 0 and k and int(row["row"]) > int(rows[k - 1]["row"]) + 1:
            periods = max(periods, sequence - before)  # those of the missing rows too
        found.append(FusedSample(stamp, signals, periods, reset, outputs[k]))
        before, reset = sequence, False
        if FIX in signals and signals[FIX].tobytes() != fix:
            fix = signals[FIX].tobytes()
            position = signals[FIX][0].astype(np.float64)
            if np.isfinite(position).all():
                found.append(GnssFix(stamp, position, np.full(3, np.nan)))
    return tuple(found)


def _reference(record: RunRecord) -> Reference | None:
    rows = record.rows
    rows = rows[np.diff(rows["stamp"], prepend=-np.inf) > 0]  # each sample once
    if not len(rows) or SENSOR + TRUE_ATTITUDE not in (rows.dtype.names or ()):
        return None
    attitude = rows[SENSOR + TRUE_ATTITUDE].astype(np.float64)

    def vector(name: str) -> Float:
        frame = next((s.frame for s in record.robot.signals if s.name == name), None)
        if frame is None:
            return np.full((len(rows), 3), np.nan)
        values: Float = rows[SENSOR + name].astype(np.float64)
        if frame == "world":
            return values
        return np.einsum("kij,kj->ki", rotation_matrix(attitude), values)

    return Reference(rows["stamp"].copy(), attitude, vector(TRUE_VELOCITY), vector(TRUE_POSITION))
