"""Lays out the state and the settings of the check of an IMU's readings.

Both are vectors of plain numbers, in which `S` and `C` say where each number stands, so that
Python runs the compiled functions fast as well.
"""

from typing import NamedTuple

from edge_runtime.fusion.imu_units import UNITS_SIZE


class CheckState(NamedTuple):
    """Says where each number of the state stands; a reading is gyroscope, then accelerometer."""

    stamp: int = 0  # s, of the last reading whose time was right
    used: int = 1  # s, of the last usable one
    period: int = 2  # s, typical
    dt: int = 3  # s to integrate the present reading over
    gap: int = 4  # s of which nothing is known before it
    clock_first: int = 5  # s, first and last stamp on another clock, if it jumped
    clock_last: int = 6
    confirmed: int = 7  # readings on the other clock
    read: int = 8  # 6, as last read
    good: int = 14  # 6, as last used
    odd: int = 20  # 6, last taken for a spike
    repeats: int = 26  # 2, of gyroscope and accelerometer
    still: int = 28  # 2, s of them
    peak: int = 30  # 2, largest jumps of the recent past
    spikes: int = 32  # in a row
    slope: int = 33  # 6, last change of each axis
    entry: int = 39  # 6, slope with which each axis came to where it repeats itself
    flat: int = 45  # 6, repeats at an extreme
    lowest: int = 51  # 6, extremes of the recent past
    highest: int = 57  # 6
    floor: int = 63  # 6, where each axis is known to clip, or NaN
    ceiling: int = 69  # 6
    clipped: int = 75  # s for which the accelerometer has been clipped
    now: int = 76  # 6, the present reading
    beyond: int = 82  # 1.0 if it is beyond the configured range
    resolution: int = 83  # 2, rad/s and m/s^2, the smallest change of an axis
    usual: int = 85  # 2, largest change of an axis at rest, usually; -1 if not known
    resting: int = 87  # s for which the readings have been like those of rest
    before: int = 88  # 3, m/s^2, the accelerometer when the gyroscope last changed; or NaN
    stuck: int = 91  # 6, s for which each axis has repeated itself while another one went on
    lived: int = 97  # 6, 1.0 once an axis has changed
    dead: int = 103  # the axis that is stuck, and 1; 0 for none
    units: int = 104  # UNITS_SIZE numbers
    size: int = 104 + UNITS_SIZE


class CheckSettings(NamedTuple):
    """Says where each setting stands, in the order of `check_settings`."""

    gyro_range: int = 0
    accel_range: int = 1
    longest_bridge: int = 2
    confirmations: int = 3
    frozen_after: int = 4
    gyro_jump: int = 5
    accel_jump: int = 6
    spike_ratio: int = 7
    spike_memory: int = 8
    check_units: int = 9
    largest_bias: int = 10
    largest_noise: int = 11
    mounted: int = 12  # 1.0 if the readings were turned out of the sensor's axes
    to_sensor: int = 13  # 9, the matrix that turns them back, row by row
    size: int = 22


S, C = CheckState(), CheckSettings()
