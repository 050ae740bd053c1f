"""Replays a recorded log through an estimator."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.config.config_file import from_json
from edge_runtime.errors import UserError, suggestion
from edge_runtime.estimators import AUTOMATIC, ESTIMATORS
from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.estimate import Estimate, Health, StateFilter
from edge_runtime.fusion.measurement import Displacement, Feet, GnssFix, Imu, Wheels, kind_of
from edge_runtime.recording.run_log_format import RunRecord
from edge_runtime.replay.readers import Log
from edge_runtime.replay.replayed_fusion import ReplayedFusion
from edge_runtime.signals import Float

REPLAYABLE = ("attitude", "legged", "wheeled")


@dataclass(frozen=True)
class EstimateSeries:
    """Holds the estimates along a log, one after each group of measurements that arrived
    together."""

    stamp: Float  # (K,) s, of the estimates
    attitude: Float  # (K, 4)
    velocity: Float  # (K, 3)
    position: Float  # (K, 3)
    gyro_bias: Float  # (K, 3)
    accel_bias: Float  # (K, 3)
    covariance: Float  # (K, 9, 9)
    health: npt.NDArray[np.int_]  # (K,) of `Health`, int
    reasons: tuple[str, ...]  # that occur
    reason: npt.NDArray[np.int_]  # (K,) index into `reasons`
    refused: Mapping[str, tuple[int, int]]  # by kind: not believed, of how many
    # In REP-105's frame `odom`, where nothing jumps; None from an estimator that has none.
    odometry_attitude: Float | None = None  # (K, 4)
    odometry_position: Float | None = None  # (K, 3)


def choose_estimator(log: Log) -> str:
    """Returns the name of the estimator that a log is meant for, or that uses most of it."""
    if log.estimator:
        return log.estimator
    kinds = {type(measurement) for measurement in log.measurements}
    if Feet in kinds:
        return "legged"
    return "wheeled" if kinds & {Wheels, GnssFix} else "attitude"


def make_estimator(name: str, log: Log) -> StateFilter:
    """Returns an estimator by name, with the config that the log holds for its robot.

    Raises:
        UserError: there is no such estimator, the log has nothing for it, or the log's config is
            not its own.
    """
    if isinstance(log.config, RunRecord):
        return ReplayedFusion(log.config, name)
    if name not in REPLAYABLE:
        return _of_another_package(name, log)
    made, config_class = _classes(name)
    _refuse_unfit(name, log)
    config = log.config if choose_estimator(log) == name else None
    if isinstance(config, dict):
        config = from_json(config_class, config, f"the config of the log '{log.name}'")
    if config is None:
        config = config_class()
    if log.mounting:
        check = dataclasses.replace(config.imu, mounting=log.mounting)
        config = dataclasses.replace(config, imu=check)
    if name == "legged":
        feet = _parts(log, Feet)
        config = dataclasses.replace(config, feet=feet) if log.config is None else config
        _refuse_other_count(log, "feet", feet, config.feet)
    if name == "wheeled" and (wheels := _parts(log, Wheels)):
        _refuse_other_count(log, "wheels", wheels, len(config.wheels))
    receiver = {"gnss": _has(log, GnssFix)} if name == "wheeled" else {}
    estimator: StateFilter = made(config, **receiver)
    return estimator


def _of_another_package(name: str, log: Log) -> StateFilter:
    known = [*REPLAYABLE, *(other for other in ESTIMATORS if other not in AUTOMATIC)]
    if name not in ESTIMATORS:
        raise UserError(f"unknown estimator '{name}'; {suggestion(name, known)}")
    replay = ESTIMATORS.find(name).replay
    if replay is None:
        raise UserError(
            f"estimator '{name}' replays the log of a run alone; for a recording choose "
            f"--estimator {' or '.join(other for other in known if other != name)}"
        )
    return replay(log.measurements)


def _has(log: Log, kind: type[Any]) -> bool:
    return any(isinstance(measurement, kind) for measurement in log.measurements)


_NEEDED: Mapping[str, tuple[tuple[type[Any], ...], str]] = {
    "attitude": ((), ""),
    "legged": ((Feet,), "feet"),
    "wheeled": ((Wheels, GnssFix, Displacement), "wheels, GNSS or lidar odometry"),
}


def _refuse_unfit(name: str, log: Log) -> None:
    """Refuses an estimator that would find nothing of what it needs in the log.

    Raises:
        UserError: the log lacks the IMU, or every kind of measurement that corrects the estimator.
    """
    kinds = {type(measurement) for measurement in log.measurements}
    if log.measurements and Imu not in kinds:
        raise UserError(f"the log '{log.name}' has no IMU, which every estimator needs")
    corrected_by, named = _NEEDED[name]
    if corrected_by and not kinds & set(corrected_by):
        fitting = [other for other, (by, _) in _NEEDED.items() if not by or kinds & set(by)]
        raise UserError(
            f"the log '{log.name}' has no {named}, by which '{name}' corrects; "
            f"choose --estimator {' or '.join(fitting)}"
        )


def _refuse_other_count(log: Log, parts: str, found: int, described: int) -> None:
    if found != described:
        raise UserError(
            f"the log '{log.name}' has {found} {parts}, and its config describes {described}: no "
            "reading would be believed; give the log the config of its robot"
        )


def _parts(log: Log, kind: type[Feet] | type[Wheels]) -> int:
    """Returns how many feet or wheels the log's readings have; 0 if it has none."""
    for m in log.measurements:
        if isinstance(m, kind):
            return len(m.contact if isinstance(m, Feet) else m.speed)
    return 0


def _classes(name: str) -> tuple[Any, Any]:
    """Returns the classes of a filter and its config, imported when needed because some compile."""
    if name == "attitude":
        return AttitudeFilter, AttitudeConfig
    if name == "legged":
        from edge_runtime.fusion.legged.config import LeggedConfig  # noqa: PLC0415
        from edge_runtime.fusion.legged.filter import LeggedFilter  # noqa: PLC0415

        return LeggedFilter, LeggedConfig
    from edge_runtime.fusion.wheeled.config import WheeledConfig  # noqa: PLC0415
    from edge_runtime.fusion.wheeled.filter import WheeledFilter  # noqa: PLC0415

    return WheeledFilter, WheeledConfig


def replay_log(estimator: StateFilter, log: Log) -> EstimateSeries:
    """Gives an estimator all measurements of a log in the order of their arrival.

    Args:
        estimator: starts as it is, and is changed.
        log: a log of the measurements that the estimator takes.

    Returns:
        Its estimate after each group that arrived together, from the first with a stamp on.

    Raises:
        UserError: the estimator never began, for the log has no IMU reading that can be used.
    """
    rows = _Estimates()
    count: dict[str, list[int]] = {}
    last = len(log.measurements) - 1
    arrivals = log.arrivals.tolist()
    for index, measurement in enumerate(log.measurements):
        if isinstance(measurement, Imu):
            estimator.predict(measurement)
        else:
            of_kind = count.setdefault(kind_of(measurement), [0, 0])
            of_kind[0] += not estimator.update(measurement)
            of_kind[1] += 1
        if index == last or arrivals[index + 1] != arrivals[index]:
            rows.add(estimator.estimate)
    if not rows.any:
        said = f": {estimator.estimate.reason}" if estimator.estimate.reason else ""
        raise UserError(f"the log '{log.name}' has no IMU reading to begin with{said}")
    return rows.run({kind: (refused, of) for kind, (refused, of) in count.items()})


class _Estimates:
    """Collects the estimates so far; drops every other one when there are too many."""

    def __init__(self, most: int = 200_000) -> None:
        self._most, self._every, self._seen = most, 1, 0
        self._estimates: list[Estimate] = []

    @property
    def any(self) -> bool:
        return bool(self._estimates)

    def add(self, estimate: Estimate) -> None:
        if not math.isfinite(estimate.stamp):
            return  # not begun, or starting anew
        if self._seen % self._every == 0:
            self._estimates.append(estimate)
            if len(self._estimates) > self._most:
                del self._estimates[1::2]
                self._every *= 2
        self._seen += 1

    def run(self, refused: Mapping[str, tuple[int, int]]) -> EstimateSeries:
        estimates = self._estimates
        poses = [e.odometry for e in estimates if e.odometry is not None]
        if len(poses) < len(estimates):
            poses = []
        reasons = tuple(dict.fromkeys(estimate.reason for estimate in estimates))
        return EstimateSeries(
            **{
                name: np.array([getattr(estimate, name) for estimate in estimates])
                for name in _COLUMNS
            },
            health=np.array([int(e.health) for e in estimates]),
            reasons=reasons,
            reason=np.array([reasons.index(e.reason) for e in estimates]),
            refused=refused,
            odometry_attitude=np.array([p.attitude for p in poses]) if poses else None,
            odometry_position=np.array([p.position for p in poses]) if poses else None,
        )


_COLUMNS = (
    *("stamp", "attitude", "velocity", "position"),
    *("gyro_bias", "accel_bias", "covariance"),
)


def health_shares(run: EstimateSeries) -> list[tuple[Health, str, float]]:
    """Returns health, reason and share of the estimates with both; best and largest first."""
    pairs = np.stack([run.health, run.reason], axis=1)
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    shares = [
        (Health(int(health)), run.reasons[reason], float(count) / len(pairs))
        for (health, reason), count in zip(kinds, counts)
    ]
    return sorted(shares, key=lambda share: (-share[0], -share[2]))
