"""Defines the records that the legged filter's compiled functions work on, field by field.

`STATE` holds the nominal state and whatever else decides how the filter goes on, so that it can
be run again from any moment. `PARAMETERS` holds the numbers of `LeggedConfig`.

The functions share their names: `x` is a `STATE`, `event` an `EVENT`, `p` the `PARAMETERS`;
`covariance` (15 + 3F, 15 + 3F) is that of the error `xi` (15 + 3F,) of a robot with F feet.
"""

import math
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from edge_runtime.config.fields import check
from edge_runtime.fusion.compiled import Records, as_numbers, compiled, laid_out
from edge_runtime.fusion.legged.at_rest import REST
from edge_runtime.fusion.legged.config import MOST_FEET, LeggedConfig
from edge_runtime.fusion.lie import matrix_to_quaternion
from edge_runtime.fusion.timeline import EVENT_HEADER, moment, slot
from edge_runtime.signals import Float

IMU, FEET = 0, 1  # kinds of event

VECTOR = (3,)
EVENT = np.dtype(
    [
        *EVENT_HEADER,
        ("gyro", "f8", VECTOR),  # rad/s
        ("accel", "f8", VECTOR),  # m/s^2
        ("lost", "f8"),  # s of lost IMU readings before it, for which it stands
        ("positions", "f8", (MOST_FEET, 3)),  # m, of the feet in the body frame
        ("contact", "f8", (MOST_FEET,)),  # probabilities
    ]
)
FOOT = np.dtype(
    [
        ("place", "f8", VECTOR),  # m, world
        ("active", "f8"),  # 1.0 if it is in the state, or 0.0
        ("probability", "f8"),  # of contact
        ("innovation", "f8", VECTOR),  # m, its recent mean
        ("refused", "f8"),  # s for which its readings were not believed
        ("slipping", "f8"),  # s, 0 if it stands
        ("anchor", "f8", VECTOR),  # m, where it was when last tested for having come to rest
    ]
)
STATE = np.dtype(
    [
        ("stamp", "f8"),  # s
        ("rotation", "f8", (3, 3)),  # body to world
        ("velocity", "f8", VECTOR),  # m/s, world
        ("position", "f8", VECTOR),  # m, world
        ("feet", FOOT, (MOST_FEET,)),
        ("gyro_bias", "f8", VECTOR),  # rad/s
        ("accel_bias", "f8", VECTOR),  # m/s^2
        ("gyro", "f8", VECTOR),  # rad/s, the last reading
        ("accel", "f8", VECTOR),  # m/s^2, the last reading
        ("rest", REST),
        ("surprise", "f8"),  # recent mean of the feet's squared Mahalanobis distance; 1 expected
        ("settled", "f8"),  # 1.0 once tilt and velocity have been known well, or 0.0
        ("recoveries", "f8"),  # how often the velocity was taken for wrong
        ("no_foot", "f8"),  # s for which no foot has stood
        ("all_slip", "f8"),  # s for which every foot in contact slips
        ("last_feet", "f8"),  # s, stamp of the last reading of the feet
    ]
)
MOMENT = moment(EVENT, STATE)


class ErrorState(NamedTuple):
    """Sizes the parts of the error `xi`; behind the feet, three each, come the biases of gyroscope
    and accelerometer."""

    rotation: int = 2  # rad, world
    heading: int = 1  # rad, the rotation's third
    velocity: int = 3  # m/s
    position: int = 3  # m
    feet: int = 0


D = laid_out(ErrorState)  # the first index of each
_NUMBERS = [field.name for field in fields(LeggedConfig) if field.type in ("float", float)]
PARAMETERS = np.dtype([*((name, "f8") for name in _NUMBERS), ("feet", "i8"), ("points", "i8")])


def error_size(feet: int) -> int:
    """Returns how many numbers the error of a robot with so many feet has."""
    return D.feet + 3 * feet + 6


def parameters(config: LeggedConfig) -> Float:
    """Returns the configuration as the numbers of one `PARAMETERS`.

    Raises:
        UserError: the robot has too many points that may stand.
    """
    check(config, "estimator.")
    p: Records = np.zeros(1, PARAMETERS)
    for name in (*_NUMBERS, "feet", "points"):
        p[name] = getattr(config, name)
    return as_numbers(p)


@compiled
def largest_stds(covariance: Float) -> tuple[float, float]:
    """Returns the largest standard deviations of tilt, rad, and velocity, m/s, on any axis.

    The invariant error of the velocity is that of the velocity in the body frame, turned to the
    world's axes: it holds no error of the heading, which no sensor here shows.
    """
    tilt = max(covariance[0, 0], covariance[1, 1])
    v = D.velocity
    velocity = max(covariance[v, v], covariance[v + 1, v + 1], covariance[v + 2, v + 2])
    return math.sqrt(max(tilt, 0.0)), math.sqrt(max(velocity, 0.0))


@compiled
def summarize(
    numbers: Float, covariances: Float, span: Float, out: Float
) -> tuple[float, float, float, float, float, float, float]:
    """Summarizes the newest state for a control loop.

    Args:
        numbers: the numbers of the `Timeline`.
        covariances: likewise.
        span: likewise.
        out: (7,) attitude, wxyz, and velocity in the body frame, m/s; written.

    Returns:
        The two of `largest_stds`, and of the state `settled`, `all_slip`, `no_foot`, s since the
        last reading of the feet, and `surprise`.
    """
    moments = numbers.view(MOMENT)
    newest = slot(span, moments.shape[0], int(span[1]) - 1)
    x = moments[newest]["state"]
    out[:4] = matrix_to_quaternion(x["rotation"])
    for i in range(3):
        out[4 + i] = 0.0
        for j in range(3):
            out[4 + i] += x["rotation"][j, i] * x["velocity"][j]
    tilt, speed = largest_stds(covariances[newest])
    silent = x["stamp"] - x["last_feet"]
    return tilt, speed, x["settled"], x["all_slip"], x["no_foot"], silent, x["surprise"]
