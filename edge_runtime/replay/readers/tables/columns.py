"""Makes a log of named columns: finds the sensors by name or as the user says, and their units."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import UserError
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.assembly import (
    METRES,
    RADIANS,
    Nanoseconds,
    Readings,
    Truth,
    assemble,
    check_accelerometer,
    make_imu,
    make_magnetometer,
    turned,
)
from edge_runtime.replay.readers.request import NONE, ReadRequest
from edge_runtime.signals import Float

Columns = Mapping[str, npt.NDArray[Any]]
"""By name: (N,), or (N, k) for a sensor's axes together; numbers, or text of dates."""

_SHOWN = 40  # columns that a message lists
_AXES = "xyz"
_NAMES = {  # what is in the name of a sensor's column, and what alone before its axis
    "gyro": (r"gyr|angularvel|angvel|rotationrate|rotrate|omega|wrss", ("w", "g")),
    "accel": (r"acc|specificforce|arss", ("a",)),
    "magnetometer": (r"mag(?!n?i?tude)|magnetic", ("m", "b")),
}
# Beside the sensor itself, or another quantity.
_OTHER = r"angularacc|bias|cov|std|var|noise|temp|scale|offset|image|stamp|time|user|integral"
_TIME = re.compile(
    r"(t|time|timestamp|stamp|stampsecs?|times|seconds|secs?|sampletime|"
    r"sampletimefine|unixtime|epoch|datetime|utc)(s|ms|us|ns|utc)?"
)
_TIME_UNITS = {"s": 1e9, "sec": 1e9, "seconds": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "μs": 1e3,
               "ns": 1.0}  # fmt: skip
_RATE_UNITS = {
    **dict.fromkeys(("rad/s", "rads-1", "rads", "radps", "rad"), 1.0),
    **dict.fromkeys(("deg/s", "degs-1", "degs", "dps", "degps", "°/s", "º/s", "deg"), np.pi / 180),
    **dict.fromkeys(("mdps", "mdeg/s"), np.pi / 180e3),
}
_FORCE_UNITS = {
    **dict.fromkeys(("m/s2", "m/s²", "ms-2", "ms2", "mps2", "m/s/s", "mss"), 1.0),
    "g": GRAVITY,
    "mg": GRAVITY / 1000.0,
}
_SUFFIX = re.compile(r"[_ ](rad_?s|rad/s|rad|deg_?s|deg/s|dps|mdps|m_?s2|m/s\^?2|mps2|g|mg|ns|us|ms"
                     r"|s|ut|gauss)$", re.IGNORECASE)  # fmt: skip
_OFFSET = re.compile(r"(:\d\d(?:[.,]\d+)?)T?([+-])(\d\d):?(\d\d)?$")  # from UTC, after a time
_SECONDS = ("s", "ms", "us", "ns")
_PLAUSIBLE = (2.0, 20e3)  # Hz, of an IMU
_LAST = 2.0**62  # ns, the year 2116; times beyond it are none
_YEAR_2000 = 946_684_800e9  # ns since 1970


@dataclass(frozen=True)
class _Sensor:
    """Holds the values of a sensor and where its unit is said."""

    names: tuple[str, ...]
    values: Float  # (N, k)
    unit: str  # as its name says; empty if it does not


def read_columns(
    path: Path,
    columns: Columns,
    request: ReadRequest,
    notes: Sequence[str] = (),
    truth: Truth | None = None,
) -> Log:
    """Makes a log of columns.

    Args:
        path: the file that they are of, for the messages.
        columns: by name.
        request: the mapping, the units, the rotation.
        notes: what is wrong with the file itself.
        truth: the reference, if the columns do not hold it.

    Raises:
        UserError: a sensor or the time is missing or ambiguous, or a unit unknown.
    """
    table = _Table(path, {name: rows_first(v) for name, v in columns.items()}, request)
    gyro, accel = table.sensor("gyro"), table.sensor("accel")
    field = table.sensor("magnetometer")
    assert gyro is not None
    assert accel is not None
    stamp = table.stamps(len(gyro.values))
    rates = table.scaled(gyro, request.units.gyro, RADIANS, _RATE_UNITS, "gyro")
    force = table.scaled(accel, request.units.accel, METRES, _FORCE_UNITS, "accel")
    check_accelerometer(path, force, request)
    known = np.flatnonzero(stamp != _NO_TIME)
    order = known[np.argsort(stamp[known], kind="stable")]
    place = np.arange(len(order), dtype=np.int64)
    rotation = request.rotation
    values = np.concatenate([turned(rates, rotation), turned(force, rotation)], axis=1)[order]
    if not np.isfinite(values).all(axis=1).any():
        raise UserError(
            f"'{path}' has no row with both gyroscope and accelerometer; bring both to the same "
            "rows, for example by interpolation"
        )
    read = ~np.isnan(values).all(axis=1)  # other rows are another sensor's
    sensors = [Readings(stamp[order][read], values[read], 2 * place[read], make_imu)]
    if field is not None:
        known_field = np.isfinite(field.values[order]).all(axis=1)
        sensors.append(
            Readings(
                stamp[order][known_field],
                turned(field.values, rotation)[order][known_field],
                (2 * place + 1)[known_field],
                make_magnetometer,
            )
        )
    said = [*notes, *table.notes, *_disorder(stamp[known])]
    truth = truth or table.truth(stamp, order)
    return assemble(path, sensors, request, truth, request.estimator or "attitude", notes=said)


def rows_first(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns an array of K readings, (K,), (k, K) or (K, k), with a row for each, of which there
    are more than axes."""
    if value.ndim == 2 and 1 in value.shape:
        return value.reshape(-1)
    if value.ndim == 2 and value.shape[0] in (3, 4) and value.shape[1] > 4:
        return np.ascontiguousarray(value.T)
    return value


_NO_TIME = np.iinfo(np.int64).min


def _disorder(stamp: Nanoseconds) -> list[str]:
    late = int((np.diff(stamp) < 0).sum())
    return [f"{late:,} rows were stamped before the row before, and put in order"] if late else []


class _Table:
    """Finds sensors among columns."""

    def __init__(self, path: Path, columns: Columns, request: ReadRequest) -> None:
        self._path, self._columns, self._request = path, columns, request
        self.notes: list[str] = []

    def sensor(self, kind: str) -> _Sensor | None:
        """Returns a sensor as the user names it, or as its columns are named.

        Raises:
            UserError: it is missing (but for a magnetometer), or several may be meant.
        """
        asked: tuple[str, ...] = getattr(self._request.columns, kind)
        if asked == (NONE,):
            return None
        if asked:
            return self._named(asked, 3, f"--columns.{kind}")
        found = self._found(kind)
        if len(found) == 1:
            return self._named(found[0], 3, f"--columns.{kind}")
        if kind == "magnetometer":
            if found:
                several = "; ".join(" ".join(names) for names in found)
                self.notes.append(f"magnetometers not read, for there are several: {several}; "
                                  "--columns.magnetometer X Y Z reads one")  # fmt: skip
            return None
        if found:
            several = "; ".join(" ".join(names) for names in found)
            raise UserError(f"'{self._path}' has several columns for '{kind}': {several}; choose "
                            f"with --columns.{kind} X Y Z")  # fmt: skip
        broken = self._found(kind, "fiuU")  # a word among the numbers makes a column text
        if broken:
            return self._named(broken[0], 3, f"--columns.{kind}")  # says which
        way_out = f"name them with --columns.{kind} X Y Z"
        if {"qx", "qy", "qz"} <= {name.lower() for name in self._columns}:
            way_out += ", or give the IMU's own recording if this is a trajectory"
        raise UserError(
            f"'{self._path}' is no log that can be replayed: it has no columns that are known as "
            f"'{kind}'; {way_out}; it has {self._listed()}"
        )

    def _named(self, names: Sequence[str], size: int, option: str) -> _Sensor:
        columns = [self._column(name, option) for name in names]
        values = [c.reshape(len(c), -1) for c in columns if len({len(c) for c in columns}) == 1]
        joined = np.concatenate(values, axis=1) if values else np.zeros((0, 0))
        if joined.shape[1] != size or not len(joined):
            shapes = ", ".join(f"{name} {column.shape}" for name, column in zip(names, columns))
            raise UserError(
                f"{option}: '{self._path}' should have {size} equally long columns there, or one "
                f"array of {size}, and has {shapes}"
            )
        units = {_split(name)[1] for name in names}
        return _Sensor(tuple(names), joined, units.pop() if len(units) == 1 else "")

    def _column(self, name: str, option: str) -> Float:
        found = self._columns.get(name)
        if found is None:
            same = [n for n in self._columns if _split(n)[0] == _split(name)[0]]
            if len(same) != 1:
                raise UserError(f"{option}: '{self._path}' has no column '{name}'; it has "
                                f"{self._listed()}")  # fmt: skip
            found = self._columns[same[0]]
        if found.dtype.kind not in "fiub":
            raise UserError(f"{option}: column '{name}' of '{self._path}' is no number in each row")
        return found.astype(np.float64)

    def _found(self, kind: str, types: str = "fiu") -> list[tuple[str, ...]]:
        """Returns the columns of numpy's types that may be this sensor: (x, y, z), or one array."""
        inside, alone = _NAMES[kind]
        pattern = re.compile(inside)
        axes: dict[str, dict[str, str]] = {}
        arrays = []
        for name, values in self._columns.items():
            if values.dtype.kind not in types:
                continue
            plain, _ = _split(name)
            if re.search(_OTHER, plain):
                continue
            if values.ndim == 2 and values.shape[1] == 3 and pattern.search(plain):
                arrays.append((name,))
            base, axis = _axis(plain)
            if axis and values.ndim == 1 and (pattern.search(base) or base in alone):
                axes.setdefault(base, {}).setdefault(axis, name)
        triples = [tuple(a[axis] for axis in _AXES) for a in axes.values() if len(a) == 3]
        return arrays + triples

    def stamps(self, rows: int) -> Nanoseconds:
        """Returns the time of each row, ns; `_NO_TIME` where there is none.

        Raises:
            UserError: there is no time, or its unit is not clear.
        """
        asked, rate = self._request.columns.time, self._request.rate
        if rate and not asked:
            return np.round(np.arange(rows) * (1e9 / rate)).astype(np.int64)
        name = asked or self._time_name(rows)
        if name not in self._columns:
            raise UserError(f"--columns.time: '{self._path}' has no column '{name}'; it has "
                            f"{self._listed()}")  # fmt: skip
        column = self._columns[name].reshape(-1)
        if len(column) != rows:
            raise UserError(f"'{self._path}' has {len(column)} times in '{name}' for {rows} rows")
        if column.dtype.kind in "US":
            return self._dates(name, column)
        if column.dtype.kind not in "fiu":
            raise UserError(f"column '{name}' of '{self._path}' is no time")
        seconds_pair = self._nanoseconds_beside(name)
        if seconds_pair is not None:
            return column.astype(np.int64) * 1_000_000_000 + seconds_pair
        unit = self._request.units.time or _split(name)[1]
        factor = _TIME_UNITS.get(unit) or self._guessed_unit(name, column)
        known = np.abs(column.astype(np.float64)) * factor < _LAST  # false for NaN
        if column.dtype.kind in "iu" and factor == 1.0:
            return column.astype(np.int64)
        stamp = np.full(rows, _NO_TIME, np.int64)
        stamp[known] = np.round(column[known].astype(np.float64) * factor).astype(np.int64)
        return stamp

    def _time_name(self, rows: int) -> str:
        """Returns the column that is named as a time, of the header rather than of receipt."""
        found = [
            name
            for name, column in self._columns.items()
            if _TIME.fullmatch(_split(name.rpartition(".")[2])[0]) and column.size == rows
        ]
        found.sort(key=lambda name: "header" not in name)
        if not found:
            raise UserError(
                f"'{self._path}' is no log that can be replayed: it has no column that is known as "
                "the time; name it with --columns.time NAME, or give --rate HZ; it has "
                f"{self._listed()}"
            )
        return found[0]

    def _nanoseconds_beside(self, name: str) -> Nanoseconds | None:
        """Returns the column of nanoseconds beside one of whole seconds, as ROS writes them."""
        if not re.search(r"sec(s)?$", name.lower()):
            return None
        beside = re.sub(r"sec(s)?$", "nanosec", name, flags=re.IGNORECASE)
        for other in (beside, re.sub(r"sec(s)?$", "nsecs", name, flags=re.IGNORECASE)):
            if other in self._columns and other != name:
                return self._columns[other].reshape(-1).astype(np.int64)
        return None

    def _dates(self, name: str, column: npt.NDArray[Any]) -> Nanoseconds:
        text = [str(value).strip().removesuffix("Z").replace(" ", "T") for value in column]
        try:
            dates = np.array([_OFFSET.sub(r"\1", t) for t in text], "datetime64[ns]")
        except ValueError:
            raise UserError(
                f"column '{name}' of '{self._path}' is neither a number nor a date in each row "
                f"('{text[0][:40]}'); write seconds, or 2026-01-31T12:00:00.005"
            ) from None
        return dates.astype(np.int64) - np.array([_offset(t) for t in text], np.int64)

    def _guessed_unit(self, name: str, column: npt.NDArray[Any]) -> float:
        """Returns ns per unit of a time whose unit nobody says: s if that is a rate of an IMU.

        Raises:
            UserError: it is not.
        """
        times = column.astype(np.float64)
        times = times[np.isfinite(times)]
        steps = np.diff(np.sort(times))
        step = float(np.median(steps[steps > 0.0])) if (steps > 0.0).any() else 0.01
        low, high = (1e9 / rate for rate in _PLAUSIBLE[::-1])
        fitting = [unit for unit in _SECONDS if low <= step * _TIME_UNITS[unit] <= high]
        if "s" in fitting:
            return _TIME_UNITS["s"]
        if len(fitting) == 1 and np.abs(times).max() * _TIME_UNITS[fitting[0]] > _YEAR_2000:
            return _TIME_UNITS[fitting[0]]  # since 1970, so that no other unit is meant
        rates = " or ".join(
            f"--units.time {unit} ({1e9 / (step * _TIME_UNITS[unit]):.4g} Hz)" for unit in fitting
        )
        raise UserError(
            f"the times in '{name}' of '{self._path}' step by {step:.4g}, which in s is no rate of "
            f"an IMU; give {rates or '--units.time s, ms, us or ns'}"
        )

    def scaled(
        self,
        sensor: _Sensor,
        asked: str,
        units: Mapping[str, float],
        known: Mapping[str, float],
        option: str,
    ) -> Float:
        """Returns a sensor's values in SI units.

        Raises:
            UserError: its columns say a unit that is not known.
        """
        if asked:
            return sensor.values * units[asked]
        if sensor.unit and sensor.unit not in known:
            raise UserError(
                f"the unit '{sensor.unit}' of column '{sensor.names[0]}' of '{self._path}' is not "
                f"known; give --units.{option} {' or '.join(units)}"
            )
        return sensor.values * known.get(sensor.unit, 1.0)

    def truth(self, stamp: Nanoseconds, order: npt.NDArray[np.intp]) -> Truth | None:
        """Returns the reference, if columns of it are named."""
        asked = self._request.columns.reference
        if not asked:
            return None
        attitude = self._named(asked, 4, "--columns.reference").values
        if len(attitude) != len(stamp):
            raise UserError(f"'{self._path}' has {len(attitude)} true attitudes for {len(stamp)} "
                            "rows; it should have one for each")  # fmt: skip
        unknown = np.full((len(order), 3), np.nan)
        return Truth(stamp[order], attitude[order], unknown, unknown)

    def _listed(self) -> str:
        names = list(self._columns)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"{', '.join(names[:_SHOWN]) or 'none'}{more}"


def _offset(date: str) -> int:
    """Returns by how much a date's clock is ahead of UTC, ns."""
    if (found := _OFFSET.search(date)) is None:
        return 0
    minutes = 60 * int(found[3]) + int(found[4] or 0)
    return (-1 if found[2] == "-" else 1) * minutes * 60_000_000_000


def _split(name: str) -> tuple[str, str]:
    """Returns a column's name, letters and digits alone, and its unit, as 'Gyro X (deg/s)' has."""
    name = re.sub(r"\[([0-2])\]", lambda index: f"_{_AXES[int(index[1])]}", name.strip())
    found = re.search(r"[(\[]([^)\]]*)[)\]]", name)
    if found:
        unit, name = found[1], name[: found.start()] + name[found.end() :]
    elif suffix := _SUFFIX.search(re.sub(r"_[xyz]$", "", name, flags=re.IGNORECASE)):
        unit = suffix[1].replace("_", "") if "/" not in suffix[1] else suffix[1]
        axis = re.search(r"_[xyz]$", name, flags=re.IGNORECASE)
        name = re.sub(r"_[xyz]$", "", name, flags=re.IGNORECASE)[: suffix.start()]
        name += axis[0] if axis else ""
    else:
        unit = ""
    unit = re.sub(r"[\s^*·]", "", unit.lower()) if unit.lower() != "" else ""
    return re.sub(r"[^a-z0-9]", "", name.lower()), unit


def _axis(plain: str) -> tuple[str, str]:
    """Returns the sensor and the axis of a column's name; no axis if it has none."""
    if plain[-1:] in _AXES and len(plain) > 1:
        return plain[:-1], plain[-1]
    if plain[:1] in tuple(_AXES) and len(plain) > 2:
        return plain[1:], plain[0]
    return plain, ""
