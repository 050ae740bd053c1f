"""Runs `sim2edge fuse`: replays a recorded log through an estimator."""

import io
import json
import re
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.config.config_file import to_json
from edge_runtime.config.fields import same_as, setting
from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.files import check_output, write_file
from edge_runtime.fusion.compiled import COMPILES, compiling
from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.measurement import kind_of
from edge_runtime.fusion.plausibility import ACCEL_UNIT, GYRO_UNIT
from edge_runtime.replay.errors_against_reference import (
    Errors,
    consistency,
    errors_against_reference,
    summary,
)
from edge_runtime.replay.plot import picture
from edge_runtime.replay.readers import Log
from edge_runtime.replay.readers.read_log import read_log
from edge_runtime.replay.readers.request import (
    ColumnsConfig,
    ReadRequest,
    TopicsConfig,
    UnitsConfig,
)
from edge_runtime.replay.replay_log import (
    REPLAYABLE,
    EstimateSeries,
    choose_estimator,
    health_shares,
    make_estimator,
    replay_log,
)
from edge_runtime.replay.replayed_fusion import NO_HEALTH, ReplayedFusion
from edge_runtime.signals import Float

_LONGEST_NAME = 200  # letters of a log's name that are shown
_LONGEST_STEM = 180  # bytes of it in a file's name, of which file systems take 255


@dataclass(frozen=True)
class FuseConfig:
    """Replay a recorded log through an estimator."""

    log: Path
    """The recording: the log of a run (`sim2edge run --log`) or an estimator's own; a bag of ROS 1
    or ROS 2, a file or a folder; a EuRoC folder; a table as CSV, MATLAB, HDF5, .npz or .npy; a
    trial of BROAD, a walk of Cassie, a drive of comma2k19."""
    estimator: str = ""
    """'attitude', 'legged', 'wheeled' or one that another package brings; by default the one that
    the log is meant for. With the log of a run any that `sim2edge run --fusion` knows, by default
    the run's."""
    out: Path = Path("out/fuse")
    """Folder for the estimates (.npz, .csv) and the picture (.svg)."""
    seed: int = setting(0, "Seed of the noise that is added to a log without any.", at_least=0)
    picture: bool = True
    """Draw estimate, reference and ±3 sigma."""
    robot: str = same_as(ReadRequest, "robot")
    imu_to_body: tuple[float, ...] = same_as(ReadRequest, "imu_to_body")
    rate: float = same_as(ReadRequest, "rate")
    skip: float = same_as(ReadRequest, "skip")
    topics: TopicsConfig = TopicsConfig()
    columns: ColumnsConfig = ColumnsConfig()
    units: UnitsConfig = UnitsConfig()

    @property
    def request(self) -> ReadRequest:
        """Returns what the recording does not say itself."""
        shared = ("robot", "imu_to_body", "rate", "skip", "topics", "columns", "units")
        # An estimator of another package gets what the recording's own would.
        estimator = self.estimator if self.estimator in REPLAYABLE else ""
        return ReadRequest(**{n: getattr(self, n) for n in shared}, estimator=estimator)


def main(config: FuseConfig) -> int:
    """Runs the command.

    Raises:
        UserError: the log cannot be read, or there is no such estimator.
    """
    check_output(config.out / "config.json")
    log = read_log(config.log, config.seed, config.request)
    log = replace(log, name=plain(log.name)[:_LONGEST_NAME])  # a file may say anything
    name = config.estimator or choose_estimator(log)
    estimator = make_estimator(name, log)
    if not log.measurements:
        raise UserError(f"'{config.log}' holds no measurement")
    if isinstance(estimator, ReplayedFusion):
        log = estimator.seen(log)
    with compiling(f"the {name} estimator") if COMPILES else nullcontext():
        run = replay_log(estimator, log)
    errors = errors_against_reference(run, log)
    print("\n".join(describe(log, name, run, errors)))
    if isinstance(estimator, ReplayedFusion):
        print(f"{estimator.verdict()}\n")
        estimator.close()
    stem = config.out / f"{file_name(log.name or config.log.stem)}_{file_name(name)}"
    export(stem, run, errors)
    written = [f"{stem}.npz", f"{stem}.csv"]
    if config.picture:
        try:
            write_file(stem.with_name(f"{stem.name}.svg"), picture(log, name, run, errors))
            written.append(f"{stem}.svg")
        except ModuleNotFoundError as error:
            print(f"no picture, for {error.name} is missing: {install_line('replay')}")
    write_file(config.out / "config.json", json.dumps(to_json(config), indent=2) + "\n")
    print(f"written: {', '.join(written)}")
    return 0


def describe(log: Log, estimator: str, run: EstimateSeries, errors: Errors | None) -> list[str]:
    """Returns lines for people: the log, the errors, the health, and what was not believed."""
    arrived = log.arrivals[np.isfinite(log.arrivals)]
    seconds = float(arrived.max() - arrived.min()) if len(arrived) else 0.0
    kinds: dict[str, int] = {}
    for measurement in log.measurements:
        kind = kind_of(measurement)
        kinds[kind] = kinds.get(kind, 0) + 1
    held = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    lines = [f"{log.name or 'log'}: {seconds:.1f} s, {held}; estimator '{estimator}'", ""]
    if errors is None:
        lines += ["no reference: errors unknown"]
    else:
        lines += [f"  {s.what:<28} {s.value:9.3f} {s.unit}" for s in summary(errors, run)]
        lines += [
            f"  {f'{what} within 95 % bounds':<28} {100 * share:9.1f} %  "
            f"(error² over expected {ratio:.2f})"
            for what, share, ratio in consistency(errors, run)
        ]
    lines.append("")
    for health, reason, share in health_shares(run):
        why = f": {reason}{_REMEDIES.get(reason, '')}" if reason else ""
        name = health.name.lower() if reason != NO_HEALTH else _UNKNOWN
        lines.append(f"  {_percent(share):>7} {name}{why}")
    for kind, (refused, of) in run.refused.items():
        if refused:
            lines.append(f"  {_percent(refused / of):>7} of {kind} not believed")
    lines += [f"  {note}" for note in log.notes]
    return [*map(plain, lines), ""]


def file_name(text: str) -> str:
    """Returns a text as the name of a file: letters, digits, '.', '_' and '-', without folders."""
    safe = re.sub(r"[^\w.-]+", "_", text).lstrip(".-")
    return safe.encode()[:_LONGEST_STEM].decode(errors="ignore")


_UNKNOWN = "health unknown"
_REMEDIES = {  # by the estimator's reason, which knows no options
    GYRO_UNIT: ", as --units.gyro deg/s does",
    ACCEL_UNIT: ", as --units.accel g does",
}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "<0.1 %"


def export(stem: Path, run: EstimateSeries, errors: Errors | None) -> None:
    """Writes the estimates as `.npz` and `.csv`, with sigmas and, where known, the truth.

    Where the estimator has a pose in the continuous frame `odom` (REP-105), that is written too;
    in the `.csv` after all other columns.
    """
    sigma = np.sqrt(np.maximum(np.einsum("kii->ki", run.covariance), 0.0))
    columns: dict[str, Float] = {
        "stamp": run.stamp,
        "attitude": run.attitude,
        "velocity": run.velocity,
        "position": run.position,
        "gyro_bias": run.gyro_bias,
        "accel_bias": run.accel_bias,
        "rotation_sigma": sigma[:, :3],
        "velocity_sigma": sigma[:, 3:6],
        "position_sigma": sigma[:, 6:],
    }
    if errors is not None:
        columns["true_attitude"] = errors.truth.attitude
        columns["true_velocity"] = errors.truth.velocity
        columns["true_position"] = errors.truth.position
    health = np.array([Health(h).name.lower() for h in range(len(Health))])[run.health]
    reason = np.array(run.reasons)[run.reason]
    health = np.where(reason == NO_HEALTH, _UNKNOWN, health)
    continuous: dict[str, Float] = {}
    if run.odometry_attitude is not None and run.odometry_position is not None:
        continuous["odometry_attitude"] = run.odometry_attitude
        continuous["odometry_position"] = run.odometry_position
    content = io.BytesIO()
    np.savez_compressed(
        content,
        covariance=run.covariance,
        health=health,
        reason=reason,
        allow_pickle=False,
        **columns,
        **continuous,
    )
    write_file(stem.with_name(f"{stem.name}.npz"), content.getvalue())
    write_file(stem.with_name(f"{stem.name}.csv"), _csv(columns, health, reason, continuous))


_AXES = {3: "xyz", 4: "wxyz"}


def _csv(
    columns: dict[str, Float], health: np.ndarray, reason: np.ndarray, last: dict[str, Float]
) -> str:
    text = io.StringIO()
    print(",".join([*_names(columns), "health", "reason", *_names(last)]), file=text)
    rows, endings = (
        np.column_stack([np.empty((len(health), 0)), *of.values()]) for of in (columns, last)
    )
    for row, how, why, ending in zip(rows, health, reason, endings):
        cells = [*_cells(row), how, f'"{why}"', *_cells(ending)]
        print(",".join(cells), file=text)
    return text.getvalue()


def _names(columns: dict[str, Float]) -> list[str]:
    names: list[str] = []
    for name, values in columns.items():
        parts = "" if values.ndim == 1 else _AXES[values.shape[1]]
        names += [f"{name}_{axis}" for axis in parts] or [name]
    return names


def _cells(row: Float) -> list[str]:
    return [f"{value:.9g}" for value in row]
