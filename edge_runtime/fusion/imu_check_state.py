"""Lays out the state and the settings of the check of an IMU's readings.

Both are vectors of plain numbers, in which `S` and `C` say where each field stands, so that Python
runs the compiled functions fast as well.
"""

from typing import NamedTuple

from edge_runtime.fusion.compiled import laid_out
from edge_runtime.fusion.imu_units import UNITS_SIZE


class CheckState(NamedTuple):
    """Sizes the fields of the state; a reading is gyroscope, then accelerometer."""

    stamp: int = 1  # s, of the last reading whose time was right
    used: int = 1  # s, of the last usable one
    period: int = 1  # s, typical
    dt: int = 1  # s to integrate the present reading over
    gap: int = 1  # s of which nothing is known before it
    clock_first: int = 1  # s, first and last stamp on another clock, if it jumped
    clock_last: int = 1
    confirmed: int = 1  # readings on the other clock
    read: int = 6  # as last read
    good: int = 6  # as last used
    odd: int = 6  # last taken for a spike
    repeats: int = 2  # of gyroscope and accelerometer
    still: int = 2  # s of them
    peak: int = 2  # largest jumps of the recent past
    spikes: int = 1  # in a row
    slope: int = 6  # last change of each axis
    entry: int = 6  # slope with which each axis came to where it repeats itself
    flat: int = 6  # repeats at an extreme
    lowest: int = 6  # extremes of the recent past
    highest: int = 6
    floor: int = 6  # where each axis is known to clip, or NaN
    ceiling: int = 6
    clipped: int = 1  # s for which the accelerometer has been clipped
    now: int = 6  # the present reading
    beyond: int = 1  # 1.0 if it is beyond the configured range
    resolution: int = 2  # rad/s and m/s^2, the smallest change of an axis
    usual: int = 2  # largest change of an axis at rest, usually; -1 if not known
    resting: int = 1  # s for which the readings have been like those of rest
    before: int = 3  # m/s^2, the accelerometer when the gyroscope last changed; or NaN
    stuck: int = 6  # s for which each axis has repeated itself while another one went on
    lived: int = 6  # 1.0 once an axis has changed
    dead: int = 1  # the axis that is stuck, and 1; 0 for none
    units: int = UNITS_SIZE  # what `imu_units` knows
    size: int = 0


class CheckSettings(NamedTuple):
    """Sizes the settings, in the order of `check_settings`."""

    gyro_range: int = 1
    accel_range: int = 1
    longest_bridge: int = 1
    confirmations: int = 1
    frozen_after: int = 1
    gyro_jump: int = 1
    accel_jump: int = 1
    spike_ratio: int = 1
    spike_memory: int = 1
    check_units: int = 1
    largest_bias: int = 1
    largest_noise: int = 1
    mounted: int = 1  # 1.0 if the readings were turned out of the sensor's axes
    to_sensor: int = 9  # the matrix that turns them back, row by row
    size: int = 0


S, C = laid_out(CheckState), laid_out(CheckSettings)
