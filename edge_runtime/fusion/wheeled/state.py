"""How the wheeled filter's numbers lie in its arrays.

A `state` (STATE,) holds the nominal state and whatever else decides how the filter goes on, so
that it can be run again from any moment. Its covariance is (ERROR, ERROR). The configuration is
an array `c` (CONFIG,) too; `WheeledConfig` says what each number means.
"""

from edge_runtime.fusion.timeline import PAYLOAD

# Kinds of events.
IMU, WHEELS, GNSS, MOTION = 0, 1, 2, 3
BROKEN = -3  # what `take_in` says when numbers ran away
EVENT = PAYLOAD + 15
MOST_WHEELS = 10

# The state.
Q = 0  # (4,) body to world, wxyz
V = 4  # (3,) m/s, world
P = 7  # (3,) m, world
GYRO_BIAS = 10  # (3,) rad/s
ACCEL_BIAS = 13  # (3,) m/s^2
SCALE = 16  # wheel speed read / true
OFFSET = 17  # m/s, wheel speed read at rest
PITCH = 18  # rad, of the car's forward axis in the body frame, positive nose down
YAW = 19  # rad, likewise, positive to the left
STEERING = 20  # rad, to add to the steering read
WANDER = 21  # (3,) m, slow error of the GNSS position
DELAY = 24  # s by which a fix is older than its stamp
GYRO = 25  # (3,) the last reading
ACCEL = 28  # (3,) the last reading
PUSH = 31  # (3,) m/s^2, acceleration in the world, smoothed
HEADING_KNOWN = 34  # 1.0 or 0.0
STILL_SINCE = 35  # s, NaN if the wheels turn
WHEELS_SEEN, WHEELS_BELIEVED, WHEELS_REFUSED = 36, 37, 38  # s: last, last, first of a row; or NaN
FIX_SEEN, FIX_BELIEVED, FIX_REFUSED = 39, 40, 41
VELOCITY_SEEN, VELOCITY_BELIEVED, VELOCITY_REFUSED = 42, 43, 44
ANCHOR = 45  # (2,) m, a fix while the heading was not known
DEPARTURE = 47  # (2,) m, the own position then
MOTION_SEEN = 49
BEGUN = 50  # s
RESTING = 51  # 1.0 while it stands and turns no more than at rest, or 0.0
STATE = 52

# The error state.
D_ANGLE, D_V, D_P, D_GYRO, D_ACCEL = 0, 3, 6, 9, 12
D_SCALE, D_OFFSET, D_PITCH, D_YAW, D_STEERING, D_WANDER, D_DELAY = 15, 16, 17, 18, 19, 20, 23
ERROR = 24

# The configuration; see `WheeledConfig`.
(
    GRAVITY,
    GYRO_NOISE,
    ACCEL_NOISE,
    GYRO_WALK,
    ACCEL_WALK,
    SCALE_WALK,
    STEERING_WALK,
    WANDER_STD,
    WANDER_TIME,
    WHEEL_STD,
    WHEEL_TIME,
    SIDE_STD,
    SIDESLIP,
    UP_STD,
    CONSTRAINT_TIME,
    RATE_STD,
    RATE_SHARE,
    RATE_TIME,
    WHEELBASE,
    UNDERSTEER,
    WHEEL_SPREAD,
    STILL_SPEED,
    STILL_TIME,
    STILL_STD,
    STILL_RATE_STD,
    FIX_STD,
    VELOCITY_TIME,
    GATE,
    PATIENCE,
    HEADING_SPEED,
    HEADING_DISTANCE,
    MOTION_TIME,
    REAR_AXLE,  # (3,)
) = range(33)
ANTENNA = REAR_AXLE + 3  # (3,)
CONFIG = ANTENNA + 3

GATE_3 = 1.5  # chi-square at 1 in 1000: of 3 degrees of freedom (16.3) over that of 1 (10.8)
