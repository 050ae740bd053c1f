"""What happens at a reading of the feet: which stand, which slip, and what that corrects.

Plain arrays and numbers, compiled, so that a step costs microseconds.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged.equations import (
    correct,
    distance,
    forget_foot,
    innovation,
    place_foot,
    whitener,
)
from edge_runtime.fusion.legged.state import (
    ACTIVE,
    ALL_SLIP,
    ALL_SLIP_TIME,
    ANCHOR,
    CONTACT_OFF,
    CONTACT_ON,
    FOOT_NOISE,
    LAST_FEET,
    MEAN,
    NO_FOOT,
    OUTLIER_GATE,
    PATIENCE,
    POINT_NOISE,
    POINTS,
    PROBABILITY,
    RECOVERIES,
    RECOVERY_TILT,
    RECOVERY_VELOCITY,
    REFUSED,
    SETTLED,
    SETTLED_TILT,
    SETTLED_VELOCITY,
    SLIP_GATE,
    SLIP_SPEED,
    SLIP_TIME,
    SLIP_TURN,
    SLIP_WINDOW,
    SLIPPING,
    SURPRISE,
    spread,
    views,
)
from edge_runtime.fusion.measurement import Float


@compiled
def place_sole(
    rotation: Float,
    columns: Float,
    covariance: Float,
    first: int,
    positions: Float,
    parameters: Float,
) -> None:
    """All points of a sole touch down, with an error in common and one of each."""
    points = int(parameters[POINTS])
    for k in range(first, first + points):
        place_foot(rotation, columns, covariance, k, positions[k])
    for i in range(3):
        for j in range(first, first + points):
            for k in range(first, first + points):
                common = parameters[FOOT_NOISE] ** 2
                own = parameters[POINT_NOISE] ** 2 if j == k and points > 1 else 0.0
                covariance[9 + 3 * j + i, 9 + 3 * k + i] += common + own


@compiled
def take_feet(
    state: Float, covariance: Float, positions: Float, contact: Float, parameters: Float
) -> int:
    """Correct by a reading of the feet.

    A sole of two points gives two independent readings: the mean of its points, and their
    difference, which tells how it is turned. The records of its points are those of the readings.

    Args:
        state: changed in place.
        covariance: changed in place.
        positions: (F, 3) m, in the body frame.
        contact: (F,) probabilities.
        parameters: see above.

    Returns:
        How many readings were believed, or placed a foot anew.
    """
    feet = contact.size
    rotation, columns, bias, _reading, records = views(state, feet)
    dt = min(max(state[0] - state[LAST_FEET], 0.0), 0.1)
    state[LAST_FEET] = state[0]
    points = int(parameters[POINTS])
    weights = np.zeros(feet)
    believed, standing, slipping = 0, 0, 0
    keep_heading = _knows_drift(rotation, covariance, parameters)
    for first in range(0, feet, points):
        probability = _contact(first, points, positions, contact)
        if records[first, ACTIVE] == 0.0:
            if probability >= parameters[CONTACT_ON]:
                records[first : first + points] = 0.0
                records[first : first + points, ACTIVE] = 1.0
                records[first : first + points, PROBABILITY] = probability
                place_sole(rotation, columns, covariance, first, positions, parameters)
                believed += 1
                standing += 1
            continue
        if not probability >= parameters[CONTACT_OFF]:
            for k in range(first, first + points):
                records[k, ACTIVE] = 0.0
                forget_foot(covariance, k)
            continue
        for k in range(first, first + points):
            record = records[k]
            record[PROBABILITY] = probability
            weights[:] = 0.0
            if k == first:
                weights[first : first + points] = 1.0 / points
                variance = parameters[FOOT_NOISE] ** 2
                if points > 1:
                    variance += parameters[POINT_NOISE] ** 2 / points
            else:
                weights[k], weights[first] = 1.0, -1.0
                variance = 2.0 * parameters[POINT_NOISE] ** 2
            z, of_error, s = innovation(rotation, columns, covariance, weights, positions, variance)
            white = whitener(s)
            squared = distance(z, white)
            if _judge(record, z, white, squared, dt, parameters):
                correct(rotation, columns, bias, covariance, z, of_error, white, keep_heading)
                believed += 1
            slips = (
                record[REFUSED] > parameters[PATIENCE]
                or _drift(record, white, dt, parameters) > parameters[SLIP_GATE]
            )
            at = columns[2 + k] if k == first else columns[2 + k] - columns[2 + first]
            if record[SLIPPING] == 0.0 and slips:
                record[MEAN:ANCHOR] = 0.0
                record[SLIPPING] = 1e-9
                if k == first:
                    place_sole(rotation, columns, covariance, first, positions, parameters)
                    at = columns[2 + k]
                record[ANCHOR : ANCHOR + 3] = at
            elif record[SLIPPING] > 0.0:
                _come_to_rest(record, at, dt, parameters)
            if k == first:
                state[SURPRISE] += 0.05 * (min(squared, 100.0) / 3.0 - state[SURPRISE])
        if records[first, SLIPPING] > 0.0:
            slipping += 1
        else:
            standing += 1
    state[NO_FOOT] = 0.0 if standing else state[NO_FOOT] + dt
    state[ALL_SLIP] = state[ALL_SLIP] + dt if slipping and not standing else 0.0
    if state[ALL_SLIP] > parameters[ALL_SLIP_TIME]:
        _doubt_velocity(state, covariance, positions, parameters)
    _settle(state, covariance, parameters)
    return believed


@compiled
def _contact(first: int, points: int, positions: Float, contact: Float) -> float:
    """Probability that a sole stands; 0 if any of its readings is not finite."""
    probability = 1.0
    for k in range(first, first + points):
        if not math.isfinite(contact[k] + positions[k, 0] + positions[k, 1] + positions[k, 2]):
            return 0.0
        probability = min(probability, contact[k])
    return probability


@compiled
def _judge(
    record: Float, z: Float, white: Float, squared: float, dt: float, parameters: Float
) -> bool:
    """Note an innovation in a foot's record; whether it is credible."""
    credible = squared < parameters[OUTLIER_GATE]
    scale = 1.0 if credible else math.sqrt(parameters[OUTLIER_GATE] / squared)
    share = dt / (dt + parameters[SLIP_TIME])
    for i in range(3):
        record[MEAN + i] += share * (scale * z[i] - record[MEAN + i])
    record[REFUSED] = 0.0 if credible else record[REFUSED] + dt
    return credible


@compiled
def _drift(record: Float, white: Float, dt: float, parameters: Float) -> float:
    """Squared Mahalanobis distance of the mean innovation, were they independent."""
    share = max(dt / (dt + parameters[SLIP_TIME]), 1e-3)
    return distance(record[MEAN : MEAN + 3], white) * (2.0 - share) / share


@compiled
def _come_to_rest(record: Float, place_now: Float, dt: float, parameters: Float) -> None:
    """Let a slipping foot stand again if it hardly moved over a window."""
    record[SLIPPING] += dt
    if record[SLIPPING] < parameters[SLIP_WINDOW]:
        return
    moved = 0.0
    for i in range(3):
        moved += (place_now[i] - record[ANCHOR + i]) ** 2
    still = math.sqrt(moved) < parameters[SLIP_SPEED] * parameters[SLIP_WINDOW]
    record[SLIPPING] = 0.0 if still else 1e-9
    record[MEAN : MEAN + 3] = 0.0
    record[ANCHOR : ANCHOR + 3] = place_now


@compiled
def _knows_drift(rotation: Float, covariance: Float, parameters: Float) -> bool:
    """Whether the gyroscope's bias about the vertical is known better than feet can tell it."""
    b = covariance.shape[0] - 6
    variance = 0.0
    for i in range(3):
        for j in range(3):
            variance += rotation[2, i] * covariance[b + i, b + j] * rotation[2, j]
    return variance < parameters[SLIP_TURN] ** 2


@compiled
def _doubt_velocity(state: Float, covariance: Float, positions: Float, parameters: Float) -> None:
    """All feet seem to slip for long: rather it is velocity and tilt that are wrong."""
    feet = positions.shape[0]
    rotation, columns, _bias, _reading, records = views(state, feet)
    for i in range(3):
        covariance[3 + i, 3 + i] += parameters[RECOVERY_VELOCITY] ** 2
        if i < 2:
            covariance[i, i] += parameters[RECOVERY_TILT] ** 2
    points = int(parameters[POINTS])
    for first in range(0, feet, points):
        if records[first, ACTIVE] > 0.0:
            records[first : first + points, MEAN:] = 0.0
            place_sole(rotation, columns, covariance, first, positions, parameters)
    state[ALL_SLIP] = 0.0
    state[RECOVERIES] += 1.0


@compiled
def _settle(state: Float, covariance: Float, parameters: Float) -> None:
    """Note whether tilt and velocity are known well for the first time."""
    if state[SETTLED] == 0.0:
        tilt, velocity = spread(covariance)
        if tilt < parameters[SETTLED_TILT] and velocity < parameters[SETTLED_VELOCITY]:
            state[SETTLED] = 1.0
