"""Puts the readings of several sensors together to a log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu, Magnetometer, Measurement
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.request import ReadRequest
from edge_runtime.signals import Float

Nanoseconds = npt.NDArray[np.int64]
RADIANS = {"rad/s": 1.0, "deg/s": np.pi / 180.0}
METRES = {"m/s^2": 1.0, "g": GRAVITY, "mg": GRAVITY / 1000.0}
_WITHOUT_GRAVITY = 0.5  # of gravity; what an accelerometer reads in the median is far above it
_LIKE_G = (0.8, 1.25)
_MOST = 60.0  # m/s^2 in the median, which no robot has
_LONGEST_BURST = 16  # readings of one sample
_WAITED = 100_000_000  # ns of repeated readings at the beginning, which are then left out


@dataclass(frozen=True)
class Readings:
    """Holds the readings of one sensor in the order in which they came."""

    stamp: Nanoseconds  # (K,) when they were measured
    values: Float  # (K, n)
    order: npt.NDArray[np.int64]  # (K,) place among the readings of all sensors
    make: Callable[[float, Float], Measurement]


@dataclass(frozen=True)
class Truth:
    """Holds a reference on the recording's own clock."""

    stamp: Nanoseconds  # (K,)
    attitude: Float  # (K, 4) body to world, wxyz
    velocity: Float  # (K, 3) m/s, world frame; NaN where unknown
    position: Float  # (K, 3) m, world frame; NaN where unknown


def make_imu(stamp: float, values: Float) -> Imu:
    """Makes a reading of gyroscope and accelerometer, (6,)."""
    return Imu(stamp, values[:3], values[3:])


def make_magnetometer(stamp: float, values: Float) -> Magnetometer:
    """Makes a reading of the magnetic field, (3,)."""
    return Magnetometer(stamp, values)


def turned(vectors: Float, rotation: Float | None) -> Float:
    """Returns rows of vectors, (K, 3 n), each turned from the IMU's axes to the body's."""
    if rotation is None:
        return vectors
    return (vectors.reshape(-1, 3) @ rotation.T).reshape(vectors.shape)


def check_accelerometer(path: Path, accel: Float, request: ReadRequest) -> None:
    """Refuses an accelerometer (K, 3) that reads no specific force in m/s^2, unless its unit is
    given.

    Raises:
        UserError: it seems to be in g, in raw counts or without gravity.
    """
    sizes = np.linalg.norm(accel, axis=1)
    sizes = sizes[np.isfinite(sizes)]
    if request.units.accel or not len(sizes):
        return
    size = float(np.median(sizes))
    reads = f"the accelerometer of '{path}' reads {size:.3g} m/s^2 in the median"
    keep = "--units.accel m/s^2 takes it as it is"
    if _LIKE_G[0] < size < _LIKE_G[1]:
        raise UserError(f"{reads}, as if in g; give --units.accel g, or {keep}")
    if 1000 * _LIKE_G[0] < size < 1000 * _LIKE_G[1]:
        raise UserError(f"{reads}, as if in mg; give --units.accel mg, or {keep}")
    if size < _WITHOUT_GRAVITY * GRAVITY:
        raise UserError(
            f"{reads}, as if gravity were taken out; record the specific force (9.81 m/s^2 "
            f"upwards at rest), or {keep}"
        )
    if size > _MOST:
        raise UserError(f"{reads}, as if in raw counts; scale it to m/s^2, or {keep}")


def assemble(
    path: Path,
    sensors: Sequence[Readings],
    request: ReadRequest,
    truth: Truth | None = None,
    estimator: str = "attitude",
    config: object = None,
    notes: Sequence[str] = (),
) -> Log:
    """Returns the log of sensors, the IMU first, in the order in which their readings came.

    Stamps count from the IMU's first, so that they keep their nanoseconds as floating-point
    numbers. What is to be skipped, and what repeats itself at the beginning, is left out.

    Raises:
        UserError: the IMU has fewer than two readings.
    """
    imu = sensors[0].stamp
    if len(imu) < 2 or imu.min() == imu.max():
        raise UserError(
            f"'{path}' holds {len(imu)} IMU readings over no time at all, which nothing can be "
            "estimated by; record for longer, or name the column or topic with the right times"
        )
    origin, rotation = int(imu.min()), request.rotation
    begin, said = _beginning(sensors[0], request.skip)
    sensors = [_since(sensor, begin) for sensor in sensors]
    if not len(sensors[0].stamp):
        raise UserError(f"--skip {request.skip:g} leaves nothing of '{path}'; skip less")
    made = [m for sensor in sensors for m in _measurements(sensor, origin)]
    order = np.argsort(np.concatenate([s.order for s in sensors]), kind="stable")
    stamps = np.concatenate([s.stamp for s in sensors])[order]
    return Log(
        measurements=[made[place] for place in order.tolist()],
        arrivals=np.maximum.accumulate(stamps - origin) / 1e9,
        reference=None if truth is None else _reference(truth, origin),
        name=path.stem if path.is_file() else path.resolve().name,
        estimator=estimator,
        config=config,
        north=False,
        mounting=() if rotation is None else tuple(rotation.ravel().tolist()),
        notes=(*_clock_notes(imu, origin, truth), *said, *notes),
    )


def _beginning(imu: Readings, skip: float) -> tuple[int, list[str]]:
    """Returns from which stamp on readings are taken, ns, and says what is left out unasked.

    A simulated robot that waits sends its first sample again and again, of several readings. A
    live sensor's noise never repeats for so long; a constant is left to the estimator.
    """
    first = int(imu.stamp.min())
    repeats = 0
    for period in range(2, _LONGEST_BURST + 1):
        same = (imu.values[period:] == imu.values[:-period]).all(axis=1)
        if len(same) and same[0] and (imu.values[0] != imu.values[1]).any():
            repeats = max(repeats, period + int(np.argmin(same)))
    waits = repeats > _LONGEST_BURST and repeats < len(imu.stamp)
    waited = int(imu.stamp[repeats]) - first if waits else 0
    if waited > _WAITED:
        begin = max(first + waited, first + round(skip * 1e9))
        return begin, [f"the first {waited / 1e9:.2f} s repeat themselves bit for bit: left out"]
    return first + round(skip * 1e9), []


def _since(sensor: Readings, begin: int) -> Readings:
    kept = sensor.stamp >= begin
    return replace(
        sensor, stamp=sensor.stamp[kept], values=sensor.values[kept], order=sensor.order[kept]
    )


def _measurements(sensor: Readings, origin: int) -> list[Measurement]:
    seconds = (sensor.stamp - origin) / 1e9
    return list(map(sensor.make, seconds.tolist(), np.ascontiguousarray(sensor.values)))


def _reference(truth: Truth, origin: int) -> Reference:
    """Returns the truth with growing stamps and quaternions of unit length, NaN for none."""
    _, kept = np.unique(truth.stamp, return_index=True)
    attitude = truth.attitude[kept]
    length = np.linalg.norm(attitude, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        attitude = np.where(length > 0.5, attitude / np.where(length > 0.5, length, 1.0), np.nan)
    stamp = (truth.stamp[kept] - origin) / 1e9
    return Reference(stamp, attitude, truth.velocity[kept], truth.position[kept])


def _clock_notes(imu: Nanoseconds, origin: int, truth: Truth | None) -> list[str]:
    notes = []
    if origin:
        seconds, rest = divmod(origin, 10**9)
        notes.append(f"0 s here is {seconds}.{rest:09d} s of the recording's clock")
    steps = np.diff(imu)
    if twice := int((steps == 0).sum()):
        notes.append(f"{twice:,} IMU readings are stamped as the one before, and left out")
    if late := int((steps < 0).sum()):
        notes.append(f"{late:,} IMU readings are stamped before the one before, and left out")
    if truth is not None and (truth.stamp[-1] < imu.min() or truth.stamp[0] > imu.max()):
        notes.append("the reference is of another time, so the errors are unknown")
    return notes
