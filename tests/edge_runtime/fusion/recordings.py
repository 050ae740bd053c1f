"""Made-up logs, and where the public recordings are, if they are."""

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.fusion.estimate import Estimate
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu, Magnetometer
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.signals import Float

PERIOD = 0.005
FIELD = np.array([0.0, 18.0, -45.0])  # uT; y is north, dipping
BIAS = np.array([0.006, -0.004, 0.005])  # rad/s
CONJUGATE = np.array([1.0, -1.0, -1.0, -1.0])


def recordings(folder: str, pattern: str) -> list[Path]:
    """Public recordings of one kind; skips the test where there are none."""
    root = Path(__file__).parents[3]
    data = Path(os.environ.get("SIM2EDGE_DATA", root.parent / "shared" / "data"))
    found = sorted((data / folder).glob(pattern))
    if not found:
        pytest.skip(
            f"no {pattern} in '{data / folder}'; SIM2EDGE_DATA names the recordings' folder"
        )
    return found


def product(a: Float, b: Float) -> Float:
    """Returns the Hamilton product of two quaternions; of single ones, floats are the fastest."""
    (pw, px, py, pz), (qw, qx, qy, qz) = a.tolist(), b.tolist()
    return np.array(
        [
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ]
    )


def apart(estimate: Estimate, truth: Float) -> tuple[float, float]:
    """Returns the total and the inclination error of an attitude, degrees."""
    w, _, _, z = product(estimate.attitude, truth * CONJUGATE).tolist()
    inclination = 2 * math.acos(min(math.hypot(w, z), 1.0))
    return math.degrees(2 * math.acos(min(abs(w), 1.0))), math.degrees(inclination)


def into_body(attitude: Float, vector: Float) -> Float:
    return product(product(attitude * CONJUGATE, np.array([0.0, *vector])), attitude)[1:]


def turning(seconds: float, still: float = 4.0, seed: int = 0) -> Iterator[tuple[Imu, Float]]:
    """An IMU that rests, then turns about all axes by turns; readings and true attitudes."""
    return iter(_turned(seconds, still, seed))


@functools.cache
def _turned(seconds: float, still: float, seed: int) -> tuple[tuple[Imu, Float], ...]:
    """Computes what `turning` gives, once for all tests."""
    rng = np.random.default_rng(seed)
    attitude = np.array([1.0, 0.0, 0.0, 0.0])
    readings = []
    for k in range(round(seconds / PERIOD)):
        stamp = k * PERIOD
        phase = max(stamp - still, 0.0)
        rate = np.array([1.2, 0.9, 0.7]) * np.sin(phase * np.array([1.0, 1.3, 0.6]))
        step = np.array([1.0, *(0.5 * PERIOD * rate)])
        attitude = product(attitude, step / np.linalg.norm(step))
        gyro = rate + BIAS + 0.002 * rng.standard_normal(3)
        accel = into_body(attitude, np.array([0, 0, GRAVITY])) + 0.03 * rng.standard_normal(3)
        for array in (gyro, accel, attitude):
            array.flags.writeable = False  # the next test gets it too
        readings.append((Imu(stamp, gyro, accel), attitude))
    return tuple(readings)


def magnetometer(imu: Imu, attitude: Float, field: Float = FIELD) -> Magnetometer:
    return Magnetometer(imu.stamp, into_body(attitude, field))


def turning_log(seconds: float = 12.0) -> Log:
    """As an estimator would get it, with the truth."""
    timed = list(turning(seconds))
    stamps = np.array([imu.stamp for imu, _ in timed])
    unknown = np.full((len(timed), 3), math.nan)
    return Log(
        measurements=[m for imu, q in timed for m in (imu, magnetometer(imu, q))],
        arrivals=np.repeat(stamps, 2),
        reference=Reference(stamps, np.array([q for _, q in timed]), unknown, unknown),
        name="turning",
        estimator="attitude",
    )
