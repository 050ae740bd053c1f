"""Declares what an IMU can read, without the checks, which compile."""

from dataclasses import dataclass

import numpy as np

from edge_runtime.config.fields import setting
from edge_runtime.errors import UserError


@dataclass(frozen=True)
class ImuCheckConfig:
    """Bounds what an IMU can read."""

    gyro_range: float = setting(34.9, unit="rad/s", above=0)
    """Turn rate at which the gyroscope saturates; most are set to 2000 deg/s."""
    accel_range: float = setting(156.9, unit="m/s^2", above=0)
    """Acceleration at which the accelerometer saturates; most are set to 16 g."""
    longest_bridge: float = setting(0.25, unit="s", at_least=0)
    """Time without a reading over which the next one may stand for the lost ones. A body turns by
    tens of degrees meanwhile, but an estimator that widens its covariance can mend that."""
    confirmations: int = setting(5, above=0)
    """Readings in a row, each shortly after the one before, after which a clock that jumped is
    believed. Fewer would take packets that overtake each other for a new clock."""
    frozen_after: float = setting(0.05, unit="s", at_least=0)
    """Time of bit-for-bit repeats of either sensor after which it counts as frozen, and at least
    five readings, since a fast bus may read a slow sensor several times. Repeats of a sensor whose
    noise is below its resolution count only while the other one shows that the body moves. A single
    axis that repeats itself for half a second counts too, if noise is well above the resolution.
    0 for never (a simulator without noise)."""
    gyro_jump: float = setting(3.0, unit="rad/s", at_least=0)
    """Change from one reading to the next that is never a spike."""
    accel_jump: float = setting(30.0, unit="m/s^2", at_least=0)
    """Change from one reading to the next that is never a spike."""
    spike_ratio: float = setting(4.0, at_least=0)
    """A spike is also so many times larger than every jump of the recent past, so that a body that
    walks hard or is hit often is soon believed."""
    spike_memory: float = setting(5.0, unit="s", above=0)
    """Time after which the recent past is forgotten to 1/e."""
    check_units: bool = True
    """Look at the first second of rest for a gyroscope in deg/s or an accelerometer in g."""
    largest_bias: float = setting(0.2, unit="rad/s", at_least=0)
    """Mean that no gyroscope reads at rest: 11 deg/s."""
    largest_noise: float = setting(0.03, unit="rad/s", at_least=0)
    """Standard deviation at rest that no gyroscope has: MEMS have 0.001 to 0.005, in deg/s 0.05 and
    more."""
    mounting: tuple[float, ...] = ()
    """Rotation by which the readings were turned from the sensor's own axes to the body's, nine
    numbers row by row; by default they were not. Ranges, plateaus and what is stuck are judged in
    the sensor's own axes."""

    def __post_init__(self) -> None:
        if self.mounting and not _is_rotation(self.mounting):
            raise UserError(
                "mounting is no rotation of the IMU to the body; give the nine numbers of a matrix "
                "row by row, or none"
            )


def _is_rotation(numbers: tuple[float, ...]) -> bool:
    matrix = np.array(numbers).reshape(-1, 3) if len(numbers) == 9 else np.zeros((3, 3))
    return bool(np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-2))
