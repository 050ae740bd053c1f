"""Defines the records that the wheeled filter's compiled functions work on, field by field.

`STATE` holds the nominal state and whatever else decides how the filter goes on, so that it can
be run again from any moment. `D` says where each part of the error state begins, in a covariance
(D.size, D.size) and in a row of a Jacobian. `CONSTANTS` holds the numbers of `WheeledConfig`.

The functions share their names: `x` is a `STATE`, `event` an `EVENT`, `c` the `CONSTANTS`; `cov`
(D.size, D.size) is the state's covariance, `known` what `as_if_known` made of it; `dx` (D.size,) is
the error found so far, `h` (D.size,) a row of a Jacobian, `k` (D.size,) its product with `cov`.
`along` (3,) m/s is the rear axle's velocity in the car's `axes` (3, 3), `rows` (3, D.size) its
Jacobian; `arm` (3,) m and `swing` (3,) m/s lead from the IMU to the GNSS antenna in the world.
"""

import math
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.compiled import Records, as_numbers, compiled, laid_out
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.timeline import EVENT_HEADER, moment, slot
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.signals import Float

# Kinds of events.
IMU, WHEELS, GNSS, MOTION = 0, 1, 2, 3
BROKEN = -3  # what `take_in` returns when the newest state is not finite
MOST_WHEELS = 16
GATE_3 = 1.5  # chi-square at 1 in 1000: of 3 degrees of freedom (16.3) over that of 1 (10.8)

VECTOR = (3,)
EVENT = np.dtype(
    [
        *EVENT_HEADER,
        ("gyro", "f8", VECTOR),  # rad/s
        ("accel", "f8", VECTOR),  # m/s^2
        ("wheel_speed", "f8", (MOST_WHEELS,)),  # m/s
        ("steering", "f8"),  # rad
        ("position", "f8", VECTOR),  # m, of a fix; NaN where it was not measured
        ("std", "f8", VECTOR),  # m
        ("velocity", "f8", VECTOR),  # m/s; NaN where it was not measured
        ("velocity_std", "f8"),  # m/s
        ("motion", "f8", VECTOR),  # m/s and rad/s, three independent combinations
        ("motion_std", "f8", VECTOR),
        ("factors", "f8", (3, 3)),  # of forward speed, leftward speed and turn rate in each
    ]
)
SENSOR = [
    ("seen", "f8"),  # s, its last measurement; NaN before the first
    ("believed", "f8"),  # s, the last one that was believed
    ("refused", "f8"),  # s, the first of a row that was not; NaN if the last one was believed
]
STATE = np.dtype(
    [
        ("attitude", "f8", (4,)),  # body to world, wxyz
        ("velocity", "f8", VECTOR),  # m/s, world
        ("position", "f8", VECTOR),  # m, world
        ("gyro_bias", "f8", VECTOR),  # rad/s
        ("accel_bias", "f8", VECTOR),  # m/s^2
        ("wheel_scale", "f8"),  # wheel speed read / true
        ("wheel_offset", "f8"),  # m/s, wheel speed read at rest
        ("mount_pitch", "f8"),  # rad, of the car's forward axis in the body, positive nose down
        ("mount_yaw", "f8"),  # rad, likewise, positive to the left
        ("steering_offset", "f8"),  # rad, to add to the steering read
        ("wander", "f8", VECTOR),  # m, slow error of the GNSS position
        ("delay", "f8"),  # s by which a fix is older than its stamp
        ("gyro", "f8", VECTOR),  # rad/s, the last reading
        ("accel", "f8", VECTOR),  # m/s^2, the last reading
        ("push", "f8", VECTOR),  # m/s^2, acceleration in the world, smoothed
        ("heading_known", "f8"),  # 1.0 or 0.0
        ("still_since", "f8"),  # s, NaN if the wheels turn
        ("rims", "f8", (MOST_WHEELS,)),  # m/s, mean speed read lately, while all are slow
        ("resting", "f8"),  # 1.0 while it stands and turns no more than at rest, or 0.0
        ("rim_noise", "f8"),  # (m/s)^2, variance of the speeds read meanwhile
        ("lately", "f8", VECTOR),  # rad by the gyroscope, lately while it stands
        ("lately_for", "f8"),  # s of it
        ("turned", "f8", VECTOR),  # rad by the gyroscope before that, while it stood
        ("turned_for", "f8"),  # s of it
        ("unrest", "f8"),  # s, since when the gyroscope of a standing car is refused, or NaN
        ("held", "f8"),  # rad about the vertical, lately left out because it rests
        ("read", "f8"),  # s, stamp of the last IMU reading
        ("change", "f8", VECTOR),  # m/s^2, the last reading of the accelerometer less that before
        ("shake", "f8", VECTOR),  # (m/s^2)^2, variance of the accelerometer's white noise lately
        ("wheels", SENSOR),
        ("fix", SENSOR),
        ("fix_velocity", SENSOR),
        ("motion_seen", "f8"),  # s, the last displacement; NaN before the first
        ("anchor", "f8", (2,)),  # m, a fix while the heading was not known, or NaN
        ("departure", "f8", (2,)),  # m, the own position then
        ("pivot", "f8", (2,)),  # m, the last fix that gave the position, or NaN
        ("begun", "f8"),  # s
    ]
)
MOMENT = moment(EVENT, STATE)
CALIBRATION = (  # what a new start keeps
    *("gyro_bias", "accel_bias", "wheel_scale", "wheel_offset"),
    *("mount_pitch", "mount_yaw", "steering_offset", "delay"),
)
TIMES = ("still_since", "unrest", "read", "wheels", "fix", "fix_velocity", "motion_seen", "begun")


class ErrorState(NamedTuple):
    """Sizes the parts of the error state, named as in `STATE`."""

    angle: int = 3  # rad: true attitude = Exp(angle) attitude, in the world frame
    velocity: int = 3
    position: int = 3
    gyro_bias: int = 3
    accel_bias: int = 3
    wheel_scale: int = 1
    wheel_offset: int = 1
    mount_pitch: int = 1
    mount_yaw: int = 1
    steering_offset: int = 1
    wander: int = 3
    delay: int = 1
    size: int = 0


D = laid_out(ErrorState)  # the first index of each
_NUMBERS = [field.name for field in fields(WheeledConfig) if field.type in ("float", float)]
CONSTANTS = np.dtype(
    [
        *((name, "f8") for name in (*_NUMBERS, "gravity", "wheel_count", "largest_bias")),
        ("rear_axle", "f8", VECTOR),
        ("antenna", "f8", VECTOR),
        ("wheels", "f8", (MOST_WHEELS, 2)),  # m, before and left of the rear axle's middle
    ]
)


def constants(config: WheeledConfig) -> Float:
    """Returns the configuration as the numbers of one `CONSTANTS`.

    Raises:
        UserError: the car has more than `MOST_WHEELS` wheels.
    """
    if len(config.wheels) > MOST_WHEELS:
        raise UserError(f"{len(config.wheels)} wheels are more than the {MOST_WHEELS} it can take")
    c: Records = np.zeros(1, CONSTANTS)
    for name in (*_NUMBERS, "rear_axle", "antenna"):
        c[name] = getattr(config, name)
    c["gravity"], c["wheel_count"] = GRAVITY, len(config.wheels)
    c["largest_bias"] = config.imu.largest_bias
    c["wheels"][0, : len(config.wheels)] = np.reshape(config.wheels, (-1, 2))
    return as_numbers(c)


@compiled
def along_row(row: Float, a: Float, v: Float) -> None:
    """Writes the Jacobian of the velocity v along an axis of the body, both in the world, (3,)."""
    for j in range(3):
        row[D.velocity + j] = a[j]
    row[D.angle] = a[1] * v[2] - a[2] * v[1]
    row[D.angle + 1] = a[2] * v[0] - a[0] * v[2]
    row[D.angle + 2] = a[0] * v[1] - a[1] * v[0]


@compiled
def certainty(
    numbers: Float, covariances: Float, span: Float
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Returns how surely the newest state is known.

    Args:
        numbers: the numbers of the `Timeline`.
        covariances: likewise.
        span: likewise.

    Returns:
        1.0 if the heading is known, else 0.0; its stamp, s; s since the last believed fix, and
        wheels; and the standard deviations of velocity, m/s, on the worst axis of the world and on
        that of the body, where errors of heading and velocity cancel; of horizontal position, m;
        of heading and of tilt, rad.
    """
    moments = numbers.view(MOMENT)
    newest = slot(span, moments.shape[0], int(span[1]) - 1)
    x, cov, now = moments[newest]["state"], covariances[newest], moments[newest]["event"]["stamp"]
    a, v, p = D.angle, D.velocity, D.position
    r, h, worst = quaternion_to_matrix(x["attitude"]), np.zeros(D.size), 0.0
    for i in range(3):
        along_row(h, r[:, i].copy(), x["velocity"])
        variance = 0.0
        for j in range(p):
            if h[j] != 0.0:
                variance += h[j] * np.sum(cov[j, :p] * h[:p])
        worst = max(worst, variance)
    return (
        x["heading_known"],
        now,
        now - x["fix"]["believed"],
        now - x["wheels"]["believed"],
        math.sqrt(max(cov[v, v], cov[v + 1, v + 1], cov[v + 2, v + 2])),
        math.sqrt(worst),
        math.sqrt(max(cov[p, p], cov[p + 1, p + 1])),
        math.sqrt(cov[a + 2, a + 2]),
        math.sqrt(max(cov[a, a], cov[a + 1, a + 1])),
    )
