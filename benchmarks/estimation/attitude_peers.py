"""Runs other attitude filters beside ours, for the fusion benchmark."""

import math

import numpy as np
from vqf import VQF

from edge_runtime.fusion.measurement import Imu, Magnetometer
from edge_runtime.replay.readers import Log
from edge_runtime.rotations import multiply
from edge_runtime.signals import Float


def vqf_defaults(log: Log) -> Float:
    """Returns the attitudes of bare VQF, (K, 4)."""
    gyro, accel, field, period = arrays(log)
    attitude: Float = VQF(period).updateBatch(gyro, accel, field)["quat9D"]
    return attitude


def madgwick(log: Log) -> Float:
    """Returns the attitudes of Madgwick's filter, (K, 4); it starts from VQF's, for it converges
    slowly."""
    from ahrs.filters import Madgwick  # noqa: PLC0415  an optional peer

    gyro, accel, field, period = arrays(log)
    half = math.sqrt(0.5)  # its x axis is north, ours is east
    to_north, to_east = np.array([half, 0, 0, -half]), np.array([half, 0, 0, half])
    filter_ = Madgwick(frequency=1.0 / period, gain=0.1)
    now = multiply(to_north[None], vqf_defaults(log)[0][None])[0]
    attitude = np.empty((len(gyro), 4))
    for k, (rate, force, north) in enumerate(zip(gyro, accel, field)):
        # A plain array: its own quaternions multiply as `*`, which means another product here.
        now = np.asarray(filter_.updateMARG(now, gyr=rate, acc=force, mag=north))
        attitude[k] = multiply(to_east[None], now[None])[0]
    return attitude


def arrays(log: Log) -> tuple[Float, Float, Float, float]:
    """Returns gyroscope, accelerometer and magnetometer, (K, 3) each, and the period in s."""
    imus = [m for m in log.measurements if isinstance(m, Imu)]
    field = np.array([m.field for m in log.measurements if isinstance(m, Magnetometer)])
    period = imus[1].stamp - imus[0].stamp
    return np.array([m.gyro for m in imus]), np.array([m.accel for m in imus]), field, period
