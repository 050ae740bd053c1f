"""Says where each number of the attitude filter's state and settings stands, for compiled steps."""

from typing import NamedTuple

from edge_runtime.fusion.imu_check_state import C, S

QUARTER = 0.25  # s between two looks at what VQF has made of the readings
FIELD_TIMEOUT = 1.0  # s


class AttitudeState(NamedTuple):
    """Says where each number of the state stands; the state of the reading's check comes first."""

    stamp: int = S.size  # s, of the last reading that was used
    gyro: int = S.size + 1  # 3, rad/s, as last used
    accel: int = S.size + 4  # 3, m/s^2
    bias: int = S.size + 7  # 3, rad/s, of the gyroscope: `offset` and VQF's
    offset: int = S.size + 10  # 3, rad/s, that is subtracted before VQF
    tilting_sigma: int = S.size + 13  # rad/s, of the bias about a horizontal axis
    learnt: int = S.size + 14  # 1.0 once the bias was learnt at rest
    period: int = S.size + 15  # s
    seconds: int = S.size + 16  # since the start
    unusable: int = S.size + 17  # readings in a row
    overshoot: int = S.size + 18  # rad by which the body may have turned more while clipped
    lost: int = S.size + 19  # 1.0 or 0.0
    silent_since: int = S.size + 20  # s, by the stamps of the magnetometer
    pushed: int = S.size + 21  # m/s^2, other forces than gravity, low-passed
    tilt_drift: int = S.size + 22  # rad^2
    heading_variance: int = S.size + 23  # rad^2
    # The present quarter of a second.
    quarter: int = S.size + 24  # s
    readings: int = S.size + 25
    sums: int = S.size + 26  # 6
    squares: int = S.size + 32  # 6
    # Rest.
    quarters: int = S.size + 38  # at rest
    rest_sums: int = S.size + 39  # 6, of their means
    rest_field: int = S.size + 45  # 3, the field's direction when it began
    # How far the inclination wanders by VQF's corrections.
    correction: int = S.size + 48  # 4, the quaternion q_acc at the end of the last quarter
    wander: int = S.size + 52  # 2, rad, corrections since the start about x and y
    wander_mean: int = S.size + 54  # 2, rad, low-passed
    wander_variance: int = S.size + 56  # rad^2, of each axis
    # The magnetic field.
    field: int = S.size + 57  # 3, the last reading
    field_stamp: int = S.size + 60  # s
    strength: int = S.size + 61  # of the candidate, in the unit of the readings
    dip: int = S.size + 62  # rad
    steady: int = S.size + 63  # s of turning in which it has been the same
    turned: int = S.size + 64  # rad by which the body turned meanwhile
    disagreement: int = S.size + 65  # rad, of heading and field, low-passed
    turning_sigma: int = S.size + 66  # rad/s, of the bias about the vertical
    axes: int = S.size + 67  # 6, the world's x and y in the body, low-passed over tau_acc
    size: int = S.size + 73


class AttitudeSettings(NamedTuple):
    """Says where each setting stands; those of the reading's check come first."""

    tau_acc: int = C.size
    tau_mag: int = C.size + 1
    delay: int = C.size + 2
    period: int = C.size + 3
    longest_loss: int = C.size + 4
    accel_sigma: int = C.size + 5
    push_sigma: int = C.size + 6
    scale_sigma: int = C.size + 7
    delay_sigma: int = C.size + 8
    field_sigma: int = C.size + 9
    gyro_bias_std: int = C.size + 10
    gyro_bias_clip: int = C.size + 11


A, K = AttitudeState(), AttitudeSettings()
