"""What an IMU reads at rest, made up: to compile an estimator before a robot waits for it."""

import numpy as np

from edge_runtime.fusion.plausibility import GRAVITY
from edge_runtime.signals import IMU_ACCEL, IMU_BURST, IMU_GYRO, Array


def rest(signals: dict[str, Array], rng: np.random.Generator) -> None:
    """Write a reading with noise into the IMU's signals, (1, size) each, as far as there are."""
    readings = max(signals[IMU_BURST].size // 6, 1) if IMU_BURST in signals else 1
    imu = 0.01 * rng.standard_normal((readings, 6))
    imu[:, 5] += GRAVITY
    signals[IMU_GYRO][0], signals[IMU_ACCEL][0] = np.split(imu.mean(axis=0), 2)
    if IMU_BURST in signals:
        signals[IMU_BURST][0] = imu.ravel()
