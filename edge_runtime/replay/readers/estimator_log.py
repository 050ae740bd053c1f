"""Reads and writes logs of an estimator's inputs, as they came, in one .npz file: `sim2edge log 1`.

`format` says so. Each kind of measurement that occurs is a set of equally long arrays named
`KIND_FIELD` (`imu_gyro`, `gnss_std`, ... as in `measurement`, NaN for a velocity that a fix does
not have), with `KIND_arrival` in s and `KIND_order`, its places among all measurements. What was
true is in `reference_stamp`, `_attitude`, `_velocity`, `_position`. `about` is JSON: the name, the
estimator it is meant for and what that one's config says of this robot.
"""

import dataclasses
import io
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.config.document import parse_table
from edge_runtime.errors import UserError
from edge_runtime.files import write_file
from edge_runtime.fusion.estimate import Estimate, StateFilter
from edge_runtime.fusion.measurement import KINDS, FusedSample, GnssFix, Imu, Measurement
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.arrays import Arrays, load_arrays
from edge_runtime.signals import Float

FORMAT = "sim2edge log 1"
_KINDS = {name: made for name, made in KINDS.items() if made is not FusedSample}
# Shape of one reading's field; 0 for as many as the robot has, none for a number.
_SHAPES: Mapping[str, tuple[int, ...]] = {
    **{f"imu_{name}": (3,) for name in ("gyro", "accel")},
    "magnetometer_field": (3,),
    "feet_position": (0, 3),
    "feet_contact": (0,),
    "wheels_speed": (0,),
    **{f"gnss_{name}": (3,) for name in ("position", "std", "velocity")},
    "displacement_motion": (3,),
    "displacement_covariance": (3, 3),
}
_REFERENCE = {"stamp": (), "attitude": (4,), "velocity": (3,), "position": (3,)}


class Recorder:
    """Records, as a `StateFilter`, what it hands on to another.

    Args:
        estimator: that does the work.
        clock: s, for the arrivals; a clock that stands for the measurements' own.
    """

    def __init__(self, estimator: StateFilter, clock: Callable[[], float] = time.monotonic) -> None:
        self._estimator, self._clock = estimator, clock
        self._measurements: list[Measurement] = []
        self._arrivals: list[float] = []

    def predict(self, imu: Imu) -> None:
        self._keep(imu)
        self._estimator.predict(imu)

    def update(self, measurement: Measurement) -> bool:
        self._keep(measurement)
        return self._estimator.update(measurement)

    @property
    def estimate(self) -> Estimate:
        return self._estimator.estimate

    def reset(self) -> None:
        self._estimator.reset()

    def log(self, name: str, estimator: str, reference: Reference | None = None) -> Log:
        """Returns the log of what came so far.

        Args:
            name: the name of the log.
            estimator: that it is meant for, as `choose_estimator` names it.
            reference: the truth, if it is known.
        """
        config = getattr(self._estimator, "config", None)
        return Log(
            tuple(self._measurements), np.array(self._arrivals), reference, name, estimator, config
        )

    def _keep(self, measurement: Measurement) -> None:
        made: Any = type(measurement)
        values = (v.copy() if isinstance(v, np.ndarray) else v for v in measurement)
        self._measurements.append(made(*values))  # the giver may reuse its arrays
        self._arrivals.append(self._clock())


def is_estimator_log(data: Arrays) -> bool:
    """Returns whether the arrays are such a log."""
    return "format" in data and str(data["format"]).startswith("sim2edge log")


def write_estimator_log(path: str | Path, log: Log) -> None:
    """Writes a log, to a temporary file that is then renamed.

    Raises:
        UserError: the disk is full or may not be written to.
    """
    arrays: dict[str, Any] = {"format": np.array(FORMAT)}
    config = dataclasses.asdict(log.config) if log.config is not None else None
    about: dict[str, Any] = {"name": log.name, "estimator": log.estimator, "config": config}
    if log.mounting:
        about["mounting"] = list(log.mounting)
    arrays["about"] = np.array(json.dumps(about))
    for kind, made in _KINDS.items():
        places = [k for k, m in enumerate(log.measurements) if isinstance(m, made)]
        if not places:
            continue
        arrays[f"{kind}_order"] = np.array(places)
        arrays[f"{kind}_arrival"] = log.arrivals[places]
        for field in made._fields:
            column = [getattr(log.measurements[k], field) for k in places]
            nothing = np.full(3, np.nan)
            arrays[f"{kind}_{field}"] = np.array([nothing if v is None else v for v in column])
    if log.reference is not None:
        arrays |= {f"reference_{n}": getattr(log.reference, n) for n in _REFERENCE}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_file(Path(path), content.getvalue())


def read_estimator_log(path: Path, data: Arrays | None = None) -> Log:
    """Reads a log that `write_estimator_log` wrote.

    Args:
        path: the file.
        data: its arrays, if they are loaded already.

    Raises:
        UserError: it is not there, truncated, damaged, or no such log.
    """
    data = load_arrays(path) if data is None else data
    if not is_estimator_log(data):
        raise UserError(f"'{path}' is no log of sim2edge")
    if str(data["format"]) != FORMAT:
        raise UserError(f"'{path}' is a '{data['format']}', this reads a '{FORMAT}'; update")
    try:
        return _log(path, data)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"'{path}' is damaged: {reason}") from None


def _log(path: Path, data: Arrays) -> Log:
    timed: list[tuple[int, float, Measurement]] = []
    for kind, made in _KINDS.items():
        if f"{kind}_order" not in data:
            continue
        places = data[f"{kind}_order"].tolist()
        arrivals = _numbers(data, f"{kind}_arrival", (), len(places)).tolist()
        columns = [
            _numbers(data, f"{kind}_{f}", _SHAPES.get(f"{kind}_{f}", ()), len(places))
            for f in made._fields
        ]
        parted = [column.tolist() if column.ndim == 1 else column for column in columns]
        timed += zip(places, arrivals, map(made, *parted))
    timed.sort(key=lambda item: item[0])
    about = parse_table(str(data["about"]), f"'{path}' is damaged: its 'about'")
    estimator = str(about["estimator"])
    return Log(
        measurements=tuple(_without_nothing(m) for _, _, m in timed),
        arrivals=np.array([arrival for _, arrival, _ in timed]),
        reference=_reference(data),
        name=str(about["name"]),
        estimator=estimator,
        config=about["config"],
        mounting=tuple(map(float, about.get("mounting", ()))),
    )


def _numbers(data: Arrays, name: str, shape: tuple[int, ...], count: int) -> Float:
    values = np.ascontiguousarray(data[name], np.float64)
    fits = values.ndim == 1 + len(shape) and len(values) == count
    if not fits or any(want and want != got for want, got in zip(shape, values.shape[1:])):
        expected = ", ".join(str(size or "any") for size in (count, *shape))
        raise ValueError(f"{name} has the shape {values.shape} instead of ({expected})")
    return values


def _without_nothing(measurement: Measurement) -> Measurement:
    if not isinstance(measurement, GnssFix) or measurement.velocity is None:
        return measurement
    unknown = all(map(math.isnan, measurement.velocity))
    return measurement._replace(velocity=None) if unknown else measurement


def _reference(data: Arrays) -> Reference | None:
    if "reference_stamp" not in data:
        return None
    count = len(data["reference_stamp"])
    stamp, attitude, velocity, position = (
        _numbers(data, f"reference_{name}", shape, count) for name, shape in _REFERENCE.items()
    )
    return Reference(stamp, attitude, velocity, position)
