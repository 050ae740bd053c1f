"""Makes readings of an IMU at rest, to compile an estimator before a robot waits for it."""

import numpy as np

from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, IMU_READING, Array


def write_imu_at_rest(signals: dict[str, Array], rng: np.random.Generator) -> None:
    """Writes a noisy reading at rest into the IMU's signals.

    Args:
        signals: (1, size) each, changed in place; `imu_burst` may be missing.
        rng: source of the noise.
    """
    readings = max(signals[IMU_BURST].size // IMU_READING, 1) if IMU_BURST in signals else 1
    imu = 0.01 * rng.standard_normal((readings, IMU_READING))
    imu[:, 5] += GRAVITY
    signals[IMU_GYRO][0], signals[IMU_ACCEL][0] = np.split(imu.mean(axis=0), 2)
    if IMU_BURST in signals:
        signals[IMU_BURST][0] = imu.ravel()
