"""The log of a run, replayed through the very estimator that its control loop had.

Signals named `true_attitude`, `true_velocity` and `true_position`, which the simulated robot adds
to a run with a log, are the reference.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.estimators import find_fusion
from edge_runtime.fusion import Fusion
from edge_runtime.fusion.estimate import Estimate, Health
from edge_runtime.fusion.measurement import Float, FusedSample, GnssFix, Imu, Measurement
from edge_runtime.recording.run_log import ESTIMATE, SENSOR, RunRecord, read_run_log
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.rotations import rotation_matrix
from edge_runtime.signals import ATTITUDE, Array

TRUE_ATTITUDE, TRUE_VELOCITY, TRUE_POSITION = "true_attitude", "true_velocity", "true_position"
NOT_TOLD = "the estimator tells no health, only when it is lost"
_FIX = "gnss_position"
_UNKNOWN = 1e12 * np.eye(9)


def read_run(path: Path) -> Log:
    """Read the log of a run; its `config` is the `RunRecord`.

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
    """What the reader should know of the log's own faults."""
    rows, notes = record.rows, list(record.damage)
    lost = int(rows["row"][-1]) + 1 - len(rows)
    if lost:
        notes.append(f"{lost:,} ticks are missing, and with them what was sensed")
    if not record.complete:
        notes.append("the run, or its log, was cut off: the last moments are missing")
    return tuple(notes)


def _measurements(record: RunRecord) -> tuple[Measurement, ...]:
    """What the estimator was given, and for people the fixes among it."""
    robot, rows = record.robot, record.rows
    sensors = [np.ascontiguousarray(rows[SENSOR + s.name]) for s in robot.signals]
    estimates = [rows[name] for name in rows.dtype.names or () if name.startswith(ESTIMATE)]
    told = np.concatenate([np.zeros((len(rows), 0), np.float32), *estimates], axis=1)
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
        found.append(FusedSample(stamp, signals, periods, reset, told[k]))
        before, reset = sequence, False
        if _FIX in signals and signals[_FIX].tobytes() != fix:
            fix = signals[_FIX].tobytes()
            position = signals[_FIX][0].astype(np.float64)
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


class ReplayedFusion:
    """The loop's estimator as an `Estimator` of its readings.

    Args:
        record: the log.
        name: of the estimator; another than the loop's is not compared with it.

    Raises:
        UserError: there is no such estimator, or the robot is not one for it.
    """

    def __init__(self, record: RunRecord, name: str) -> None:
        self._fusion: Fusion = find_fusion(name, record.contract, record.robot)
        fusion = self._fusion
        if ATTITUDE not in {signal.name for signal in (*record.robot.signals, *fusion.provides)}:
            raise UserError(
                f"robot '{record.robot.name}' gives no '{ATTITUDE}', nor does estimator '{name}'; "
                "choose another --estimator"
            )
        self._outputs = [fusion.estimates[signal.name] for signal in fusion.provides]
        self._compared = name == record.fusion
        self._estimate: Estimate | None = None
        self.readings = 0
        self.differing: list[float] = []  # s, stamps at which the loop's own estimates were others

    def seen(self, log: Log) -> Log:
        """The log without the fixes, if this estimator does not read them."""
        if any(signal.name == _FIX for signal in self._fusion.reads):
            return log
        readings = tuple(m for m in log.measurements if isinstance(m, FusedSample))
        return dataclasses.replace(
            log, measurements=readings, arrivals=np.array([m.stamp for m in readings])
        )

    def predict(self, imu: Imu) -> None:
        """Not called: the readings hold the IMU."""

    def update(self, measurement: Measurement) -> bool:
        if not isinstance(measurement, FusedSample):
            return True  # a fix, which is among the readings
        fusion = self._fusion
        if measurement.reset:
            fusion.reset()
        fusion.update(measurement.signals, measurement.periods)
        self.readings += 1
        if self._compared:
            ours = b"".join(values.tobytes() for values in self._outputs)
            if ours != measurement.estimates.tobytes():
                self.differing.append(measurement.stamp)
        self._estimate = _estimate(fusion, measurement.signals, measurement.stamp)
        return True

    @property
    def estimate(self) -> Estimate:
        assert self._estimate is not None, "asked before the first reading"
        return self._estimate

    def reset(self) -> None:
        self._fusion.reset()

    def close(self) -> None:
        """Let go of what the estimator holds."""
        self._fusion.close()

    def verdict(self) -> str:
        """Whether the loop had the same estimates."""
        if not self._compared:
            return "the loop had another estimator"
        if not self.differing:
            return "as in the loop, to the bit"
        return (
            f"{len(self.differing)} of {self.readings} estimates are not those of the loop, first "
            f"at {self.differing[0]:.2f} s"
        )


def _estimate(fusion: Fusion, signals: Mapping[str, Array], stamp: float) -> Estimate:
    """The filter's own estimate where it has one, else what its outputs say."""
    if fusion.states:
        known = dataclasses.replace(fusion.states[0], stamp=stamp)
        if not fusion.lost:
            return known
        return dataclasses.replace(known, health=Health.LOST, reason=fusion.reason)
    attitude = ({**signals, **fusion.estimates})[ATTITUDE][0].astype(np.float64)
    nothing = np.zeros(3)
    return Estimate(
        stamp=stamp,
        attitude=attitude if attitude.any() else np.array([1.0, 0.0, 0.0, 0.0]),
        velocity=nothing,
        position=nothing,
        gyro_bias=nothing,
        accel_bias=nothing,
        covariance=_UNKNOWN,
        health=Health.LOST if fusion.lost else Health.GOOD,
        reason=fusion.reason if fusion.lost else NOT_TOLD,
    )
