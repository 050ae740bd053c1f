"""Reads trials of BROAD: an IMU with magnetometer, turned and moved by hand before optical cameras.

Laidig, Caruso, Cereatti, Seel, "BROAD: A Benchmark for Robust Inertial Orientation Estimation",
Data 6(7), 2021. Each is a MATLAB file of equally long arrays at `sampling_rate` Hz: `imu_gyr`
rad/s, `imu_acc` m/s^2, `imu_mag` uT, and the cameras' `opt_quat`, sensor to east-north-up.
`movement` is 1 where the errors count.
"""

import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from edge_runtime.fusion.measurement import Imu, Magnetometer, Measurement
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.arrays import equally_long
from edge_runtime.signals import Float

_ROWS = {"imu_gyr": (3,), "imu_acc": (3,), "imu_mag": (3,), "opt_quat": (4,), "movement": ()}
_DAMAGED = (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error)


def read_broad(path: Path) -> Log:
    """Reads a trial. Attitudes of the reference are NaN where the errors do not count.

    Raises:
        UserError: it is not there, damaged or no such trial, or scipy is not installed.
    """
    trial = _load(path)
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


def _load(path: Path) -> dict[str, Any]:
    try:
        from scipy.io import loadmat  # noqa: PLC0415  an optional extra
        from scipy.io.matlab import MatReadError  # noqa: PLC0415
    except ImportError:
        raise UserError(
            f"reading '{path}' needs scipy, which is not installed; {install_line('replay')}"
        ) from None
    try:
        with path.open("rb") as file:
            trial: dict[str, Any] = loadmat(file)
    except FileNotFoundError:
        raise UserError(f"there is no '{path}'") from None
    except (*_DAMAGED, zlib.error, MatReadError, NotImplementedError) as error:
        raise UserError(f"'{path}' is damaged or no MATLAB file: {error}") from None
    return trial
