"""Reads trials of BROAD: an IMU with magnetometer, turned and moved by hand before optical cameras.

Laidig, Caruso, Cereatti, Seel, "BROAD: A Benchmark for Robust Inertial Orientation Estimation",
Data 6(7), 2021. Each is a MATLAB or HDF5 file of equally long arrays at `sampling_rate` Hz:
`imu_gyr` rad/s, `imu_acc` m/s^2, `imu_mag` uT, and the cameras' `opt_quat`, sensor to
east-north-up. `movement` is 1 where the errors count.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.measurement import Imu, Magnetometer, Measurement
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.arrays import equally_long
from edge_runtime.replay.readers.recognition import recognise
from edge_runtime.replay.readers.tables.matlab import read_matlab
from edge_runtime.signals import Float

_ROWS = {"imu_gyr": (3,), "imu_acc": (3,), "imu_mag": (3,), "opt_quat": (4,), "movement": ()}


def is_broad(trial: dict[str, Any]) -> bool:
    """Returns whether the arrays are of such a trial."""
    return "opt_quat" in trial and "imu_gyr" in trial


def read_broad(path: Path, trial: dict[str, Any] | None = None) -> Log:
    """Reads a trial. Attitudes of the reference are NaN where the errors do not count.

    Args:
        path: the file.
        trial: its arrays, if they are loaded already.

    Raises:
        UserError: it is not there, damaged or no such trial, or scipy is not installed.
    """
    trial = read_matlab(path, recognise(path)[0]) if trial is None else trial
    rows = equally_long(path, "trial of BROAD", trial, _ROWS)
    gyro, accel, field, attitude, movement = rows.values()
    attitude[movement == 0.0] = np.nan
    stamps: Float = np.arange(len(gyro)) / _rate(path, trial)
    measurements: list[Measurement] = []
    for stamp, rate, force, north in zip(stamps.tolist(), gyro, accel, field):
        measurements += (Imu(stamp, rate, force), Magnetometer(stamp, north))
    unknown = np.full((len(stamps), 3), np.nan)
    return Log(
        measurements=measurements,
        arrivals=np.repeat(stamps, 2),
        reference=Reference(stamps, attitude, unknown, unknown),
        name=path.stem,
        estimator="attitude",
    )


def _rate(path: Path, trial: dict[str, Any]) -> float:
    """Returns the trial's sampling rate, Hz."""
    rate = np.asarray(trial.get("sampling_rate", math.nan))
    if rate.size != 1 or rate.dtype.kind not in "fiu" or not 0.0 < float(rate.item()) < math.inf:
        raise UserError(f"'{path}' is no trial of BROAD: its sampling_rate is no frequency")
    return float(rate.item())
