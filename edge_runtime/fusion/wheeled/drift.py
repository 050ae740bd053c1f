"""Says how far the wheeled filter's continuous pose may have drifted from where it began."""

import math

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.wheeled.state import D
from edge_runtime.signals import Float

AHEAD, ASIDE, TURN, NOISE = 0, 1, 2, 3  # rows of a drift


@compiled
def drift_on(
    drift: Float,
    x: Record,
    cov: Float,
    heading: float,
    dx: float,
    dy: float,
    dt: float,
    gyro_noise: float,
) -> None:
    """Lets the drift grow by what is not known of the motion of an interval.

    What is not known of speed, direction and the gyroscope's bias changes slowly. So each is taken
    for one error that keeps its sign: standard deviations add up, and cancel where the car returns.

    Args:
        drift: (6, 3) x and y, m, and heading, rad: the shares of speed, direction and turn rate,
            then the covariance (3, 3) of what the gyroscope's noise adds; written.
        x: the newest `STATE`.
        cov: (D.size, D.size) its covariance.
        heading: the heading of the continuous pose, rad.
        dx: its motion, m.
        dy: likewise.
        dt: its length, s.
        gyro_noise: rad/s/sqrt(Hz).
    """
    for row in range(NOISE):  # an error of the heading turns what comes after
        drift[row, 0] -= dy * drift[row, 2]
        drift[row, 1] += dx * drift[row, 2]
    xx, xy, yy, xh = drift[3, 0], drift[3, 1], drift[4, 1], drift[3, 2]
    yh, hh = drift[4, 2], drift[5, 2]
    drift[3, 0] = xx - 2.0 * dy * xh + dy * dy * hh
    drift[3, 1] = drift[4, 0] = xy + dx * xh - dy * yh - dx * dy * hh
    drift[4, 1] = yy + 2.0 * dx * yh + dx * dx * hh
    drift[3, 2] = drift[5, 0] = xh - dy * hh
    drift[4, 2] = drift[5, 1] = yh + dx * hh
    if x["resting"] != 0.0:
        return
    drift[5, 2] = hh + gyro_noise * gyro_noise * dt
    r = quaternion_to_matrix(x["attitude"])
    speed = along = toward = bias = 0.0
    for i in range(3):
        along += r[i, 0] * x["velocity"][i]
        speed += x["velocity"][i] ** 2
        bias += r[2, i] ** 2 * cov[D.gyro_bias + i, D.gyro_bias + i]
        for j in range(3):
            toward += r[i, 0] * r[j, 0] * cov[D.velocity + i, D.velocity + j]
    ahead = math.copysign(math.sqrt(max(toward, 0.0)), along) * dt
    aside = math.copysign(math.sqrt(speed * cov[D.mount_yaw, D.mount_yaw]), along) * dt
    c, s = math.cos(heading), math.sin(heading)
    drift[AHEAD, 0] += c * ahead
    drift[AHEAD, 1] += s * ahead
    drift[ASIDE, 0] -= s * aside
    drift[ASIDE, 1] += c * aside
    drift[TURN, 2] += math.sqrt(bias) * dt


def go_astray(drift: Float, place: float, turn: float) -> None:
    """Adds to a drift what a gap leaves unknown.

    Args:
        drift: as in `drift_on`; written.
        place: standard deviation of x and of y, m.
        turn: standard deviation of the heading, rad.
    """
    for i, std in enumerate((place, place, turn)):
        drift[NOISE + i, i] += std * std


def drift_covariance(drift: Float) -> Float:
    """Returns the covariance of x and y, m, and heading, rad, (3, 3)."""
    covariance: Float = drift[:NOISE].T @ drift[:NOISE] + drift[NOISE:]
    return covariance
