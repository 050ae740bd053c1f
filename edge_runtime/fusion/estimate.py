"""What an estimator knows, how surely, and whether it may be trusted."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from edge_runtime.fusion.measurement import Float, Imu, Measurement


class Health(IntEnum):
    """From worst to best."""

    LOST = 0  # do not use it
    INITIALISING = 1  # not yet known well enough
    DEGRADED = 2  # usable, but less sure than usual: a sensor is missing or contradicts
    GOOD = 3


@dataclass(frozen=True)
class Estimate:
    """A stamped state with its uncertainty. Frames as in `measurement`.

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


class StateFilter(Protocol):
    """A filter over stamped measurements, of one robot."""

    def predict(self, imu: Imu) -> None:
        """Go forward to the time of an IMU reading. A reading that cannot be true (not finite,
        saturated, from the past, stamped twice) is left out and told by the health."""
        ...

    def update(self, measurement: Measurement) -> bool:
        """Correct with another sensor's measurement; False if it was not believed.

        One that comes late is put where it belongs in time, if that is not too long ago."""
        ...

    @property
    def estimate(self) -> Estimate:
        """The newest state."""
        ...

    def reset(self) -> None:
        """Forget everything."""
        ...
