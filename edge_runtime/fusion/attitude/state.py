"""Lays out the attitude filter's state and settings, vectors of numbers for the compiled steps.

Those of the check of the IMU's readings come first in both.
"""

from typing import NamedTuple

from edge_runtime.fusion.compiled import laid_out
from edge_runtime.fusion.imu_check_state import C, S

QUARTER = 0.25  # s between two looks at what VQF has made of the readings
FIELD_TIMEOUT = 1.0  # s


class AttitudeState(NamedTuple):
    """Sizes the fields of the state."""

    stamp: int = 1  # s, of the last reading that was used
    gyro: int = 3  # rad/s, as last used
    accel: int = 3  # m/s^2
    bias: int = 3  # rad/s, of the gyroscope: `offset` and VQF's
    offset: int = 3  # rad/s, that is subtracted before VQF
    tilting_sigma: int = 1  # rad/s, of the bias about a horizontal axis
    learnt: int = 1  # 1.0 once the bias was learnt at rest
    period: int = 1  # s
    seconds: int = 1  # since the start
    unusable: int = 1  # readings in a row
    overshoot: int = 1  # rad by which the body may have turned more while clipped
    lost: int = 1  # 1.0 or 0.0
    silent_since: int = 1  # s, by the stamps of the magnetometer
    pushed: int = 1  # m/s^2, other forces than gravity, low-passed
    tilt_drift: int = 1  # rad^2
    heading_variance: int = 1  # rad^2
    # The present quarter of a second.
    quarter: int = 1  # s
    readings: int = 1
    sums: int = 6
    squares: int = 6
    # Rest.
    quarters: int = 1  # at rest
    rest_sums: int = 6  # of their means
    rest_field: int = 3  # the field's direction when it began
    # How far the inclination wanders by VQF's corrections.
    correction: int = 4  # the quaternion q_acc at the end of the last quarter
    wander: int = 2  # rad, corrections since the start about x and y
    wander_mean: int = 2  # rad, low-passed
    wander_variance: int = 1  # rad^2, of each axis
    # The magnetic field.
    field: int = 3  # the last reading
    field_stamp: int = 1  # s
    strength: int = 1  # of the candidate, in the unit of the readings
    dip: int = 1  # rad
    steady: int = 1  # s of turning in which it has been the same
    turned: int = 1  # rad by which the body turned meanwhile
    disagreement: int = 1  # rad, of heading and field, low-passed
    turning_sigma: int = 1  # rad/s, of the bias about the vertical
    axes: int = 6  # the world's x and y in the body, low-passed over tau_acc
    size: int = 0


class AttitudeSettings(NamedTuple):
    """Sizes the settings."""

    tau_acc: int = 1
    tau_mag: int = 1
    delay: int = 1
    period: int = 1
    longest_loss: int = 1
    accel_sigma: int = 1
    push_sigma: int = 1
    scale_sigma: int = 1
    delay_sigma: int = 1
    field_sigma: int = 1
    gyro_bias_std: int = 1
    gyro_bias_clip: int = 1


A, K = laid_out(AttitudeState, S.size), laid_out(AttitudeSettings, C.size)
