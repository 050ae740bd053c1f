"""The legged filter's state and parameters: which number is where in their flat arrays.

The nominal state is time, rotation (3, 3), velocity, position and feet (2+F, 3), biases (2, 3),
the last IMU reading (2, 3), a record of each foot (F, 10), that of `legged_rest`, and `STATUS`.
"""

import math

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged.rest import REST
from edge_runtime.fusion.lie import matrix_to_quaternion
from edge_runtime.fusion.measurement import Float

IMU, FEET = 0, 1  # kinds of event
LOST = 6  # of an IMU's payload: s of lost readings before it, for which it stands

# A foot's record.
ACTIVE = 0  # 1 if it is in the state
PROBABILITY = 1  # of contact
MEAN = 2  # (3,) m, recent mean of its innovation
REFUSED = 5  # s for which its readings were not believed
SLIPPING = 6  # s, 0 if it stands
ANCHOR = 7  # (3,) m, where it was when last tested for having come to rest
FOOT = 10

# The status, from the end.
LAST_FEET = -1  # s, stamp of the last reading of the feet
ALL_SLIP = -2  # s for which every foot in contact slips
NO_FOOT = -3  # s for which no foot has stood
RECOVERIES = -4  # how often the velocity was taken for wrong
SETTLED = -5  # 1 once tilt and velocity have been known well
SURPRISE = -6  # recent mean of the feet's squared Mahalanobis distance, 1 if all is as expected
STATUS = 6

# Parameters.
NOISES = 4  # the first are squared spectral densities of gyro, accel and their biases
WALK = 4  # m/sqrt(s)
SLIP_WALK = 5  # m/sqrt(s)
FOOT_NOISE = 6  # m
CONTACT_ON = 7
CONTACT_OFF = 8
OUTLIER_GATE = 9  # squared Mahalanobis distance
SLIP_GATE = 10
SLIP_TIME = 11  # s, over which an innovation is averaged
SLIP_WINDOW = 12  # s
SLIP_SPEED = 13  # m/s
PATIENCE = 14  # s
ALL_SLIP_TIME = 15  # s
RECOVERY_TILT = 16  # rad
RECOVERY_VELOCITY = 17  # m/s
SETTLED_TILT = 18  # rad
SETTLED_VELOCITY = 19  # m/s
POINTS = 20  # of each sole: 1 or 2
POINT_NOISE = 21  # m
POINT_WALK = 22  # m/sqrt(s)
SLIP_TURN = 23  # rad/s
REST_RATIO = 24
PARAMETERS = 25


def state_size(feet: int) -> int:
    """Numbers in the nominal state."""
    return 1 + 9 + 3 * (2 + feet) + 6 + 6 + FOOT * feet + REST + STATUS


@compiled
def views(state: Float, feet: int) -> tuple[Float, Float, Float, Float, Float]:
    """Rotation, columns, biases, last reading and feet's records of a state, to write to."""
    a = 10 + 3 * (2 + feet)
    return (
        state[1:10].reshape(3, 3),
        state[10:a].reshape(2 + feet, 3),
        state[a : a + 6].reshape(2, 3),
        state[a + 6 : a + 12].reshape(2, 3),
        state[a + 12 : a + 12 + FOOT * feet].reshape(feet, FOOT),
    )


@compiled
def spread(covariance: Float) -> tuple[float, float]:
    """Standard deviations of tilt, rad, and velocity, m/s: the largest of their components.

    The invariant error of the velocity is that of the velocity in the body frame, turned to the
    world's axes: it holds no error of the heading, which nobody can know.
    """
    tilt = max(covariance[0, 0], covariance[1, 1])
    velocity = max(covariance[3, 3], covariance[4, 4], covariance[5, 5])
    return math.sqrt(max(tilt, 0.0)), math.sqrt(max(velocity, 0.0))


@compiled
def summarize(state: Float, covariance: Float, feet: int, out: Float) -> None:
    """Attitude wxyz, velocity in the body frame and the two of `spread`, written to (9,)."""
    rotation, columns = views(state, feet)[:2]
    out[:4] = matrix_to_quaternion(rotation)
    for i in range(3):
        out[4 + i] = 0.0
        for j in range(3):
            out[4 + i] += rotation[j, i] * columns[0, j]
    out[7], out[8] = spread(covariance)
