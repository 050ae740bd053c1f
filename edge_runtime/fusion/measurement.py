"""Defines the stamped measurements that an estimator takes, one type for each kind of sensor.

Stamps are seconds on one monotonic clock, of the moment the sensor measured. Vectors are float64;
frames as in REP-103: the body frame is that of the IMU, x forward, y left, z up; the world frame
has z up and, where GNSS is at hand, x east and y north.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_runtime.signals import Float


class Imu(NamedTuple):
    """Holds one reading of gyroscope and accelerometer."""

    stamp: float  # s
    gyro: Float  # (3,) rad/s, body frame
    accel: Float  # (3,) specific force, m/s^2, body frame


class Magnetometer(NamedTuple):
    """Holds one reading of the magnetic field."""

    stamp: float  # s
    field: Float  # (3,) any unit, body frame


class Feet(NamedTuple):
    """Holds the feet's positions by forward kinematics, and the probabilities that they stand."""

    stamp: float  # s
    position: Float  # (F, 3) m, in the body frame
    contact: Float  # (F,) probability in [0, 1]


class Wheels(NamedTuple):
    """Holds the wheels' speeds over the ground and the steering."""

    stamp: float  # s
    speed: Float  # (W,) m/s, of the rims, positive forwards
    steering: float  # rad, of the bicycle model's front wheel, positive to the left


class GnssFix(NamedTuple):
    """Holds a fix in the local east-north-up frame."""

    stamp: float  # s, when it was true; it may arrive much later
    position: Float  # (3,) m, of the antenna
    std: Float  # (3,) m, as the receiver claims
    velocity: Float | None = None  # (3,) m/s
    velocity_std: float = 0.1  # m/s


class Displacement(NamedTuple):
    """Holds the body's motion between two moments, by lidar odometry."""

    stamp: float  # s, the later moment
    since: float  # s, the earlier one
    motion: Float  # (3,) x, y in m and yaw in rad, in the body frame of the earlier moment
    covariance: Float  # (3, 3)


class FusedSample(NamedTuple):
    """Holds a sample of all of a robot's sensors, as its control loop gave it to its estimator."""

    stamp: float  # s
    signals: Mapping[str, npt.NDArray[np.float32]]  # (1, size) each
    periods: int  # control periods since the sample before
    reset: bool  # whether the estimator was reset before it got the sample
    estimates: npt.NDArray[np.float32]  # the outputs that it computed, one after another


Measurement = FusedSample | Imu | Magnetometer | Feet | Wheels | GnssFix | Displacement
KINDS: Mapping[str, type[Any]] = {
    "imu": Imu,
    "magnetometer": Magnetometer,
    "feet": Feet,
    "wheels": Wheels,
    "gnss": GnssFix,
    "displacement": Displacement,
    "readings": FusedSample,
}
"""The kinds of measurements, by the names that logs and reports give them."""


def kind_of(measurement: Measurement) -> str:
    """Returns the name of a measurement's kind, one of `KINDS`."""
    return next(name for name, made in KINDS.items() if type(measurement) is made)
