"""Defines an estimated state with covariance and health, and the protocol of the filters behind
it."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from edge_runtime.fusion.measurement import Imu, Measurement
from edge_runtime.signals import Float


class Health(IntEnum):
    """Orders how far an estimate may be trusted, from worst to best."""

    LOST = 0  # unknown: do not use it
    INITIALISING = 1  # not yet known well enough
    DEGRADED = 2  # usable, but less sure than usual: a sensor is missing or contradicts the others
    GOOD = 3


class ContinuousPose(NamedTuple):
    """Holds a pose in REP-105's frame `odom`, where nothing jumps, and how far it has drifted."""

    attitude: Float  # (4,) body to frame, wxyz
    position: Float  # (3,) m
    covariance: Float  # (3, 3) of x and y, m, and heading, rad, since it began


@dataclass(frozen=True)
class Estimate:
    """Holds a stamped state with its uncertainty, in the frames of `measurement`.

    The error state of `covariance` is (rotation, velocity, position), each in the world frame:
    true rotation = Exp(rotation error) * estimated rotation, and true - estimated of the others.
    """

    stamp: float  # s; NaN before the first reading
    attitude: Float  # (4,) body to world, wxyz
    velocity: Float  # (3,) m/s, world frame
    position: Float  # (3,) m, world frame
    gyro_bias: Float  # (3,) rad/s
    accel_bias: Float  # (3,) m/s^2
    covariance: Float  # (9, 9) rad, m/s, m
    health: Health
    reason: str = ""  # why the health is not GOOD; empty if it is
    odometry: ContinuousPose | None = None


class StateFilter(Protocol):
    """Filters the stamped measurements of one robot."""

    def predict(self, imu: Imu) -> None:
        """Propagates to the time of an IMU reading.

        A reading that cannot be true (not finite, saturated, from the past, stamped twice) is left
        out, and the health shows it."""
        ...

    def update(self, measurement: Measurement) -> bool:
        """Corrects with another sensor's measurement.

        A late one is put where it belongs in time, if that is not too long ago.

        Returns:
            Whether it was believed.
        """
        ...

    @property
    def estimate(self) -> Estimate:
        """Returns the newest state."""
        ...

    def reset(self) -> None:
        """Forgets everything, as at start-up."""
        ...
