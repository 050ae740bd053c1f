"""What happens at an IMU reading and at a reading of the feet: the legged filter's decisions.

Plain arrays and numbers, compiled, so that a step costs microseconds. The nominal state is one
flat array: time, rotation (3, 3), velocity, position and feet (2+F, 3), biases (2, 3), the last
IMU reading (2, 3), a record of each foot (F, 10), and `STATUS`.
"""

import math

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged_equations import (
    correct,
    distance,
    forget_foot,
    innovation,
    place_foot,
    propagate,
    whitener,
    world_covariance,
)
from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.timeline import BELIEVED, KIND, PAYLOAD, STAMP, place, slot

IMU, FEET = 0, 1  # kinds of event

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
STILL = -7  # s for which all feet have stood and none was put down or slipped
STATUS = 7

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
STILL_TIME = 23  # s
STILL_SHARE = 24
PARAMETERS = 25


def state_size(feet: int) -> int:
    """Numbers in the nominal state."""
    return 1 + 9 + 3 * (2 + feet) + 6 + 6 + FOOT * feet + STATUS


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
def advance(state: Float, covariance: Float, stamp: float, feet: int, parameters: Float) -> None:
    """Go forward to a time with the last reading."""
    dt = stamp - state[0]
    if dt <= 0.0:
        return
    rotation, columns, bias, reading, records = views(state, feet)
    walk = np.zeros((feet, feet))
    points = int(parameters[POINTS])
    share = parameters[STILL_SHARE] if state[STILL] > parameters[STILL_TIME] else 1.0
    for first in range(0, feet, points):
        if records[first, ACTIVE] > 0.0:
            walk[first : first + points, first : first + points] += _walk(
                records[first], share * parameters[WALK], parameters
            )
        if points == 2 and records[first, ACTIVE] > 0.0:
            # turning on the ground, the points go opposite ways
            turn = _walk(records[first + 1], share * parameters[POINT_WALK], parameters)
            walk[first, first] += turn
            walk[first + 1, first + 1] += turn
            walk[first, first + 1] -= turn
            walk[first + 1, first] -= turn
    propagate(rotation, columns, bias, covariance, reading, dt, parameters[:NOISES], walk)
    state[0] = stamp


@compiled
def _walk(record: Float, density: float, parameters: Float) -> float:
    """Squared density of a foot's random walk: more if it slips or hardly stands."""
    if record[SLIPPING] > 0.0:
        return parameters[SLIP_WALK] ** 2
    return (density / max(record[PROBABILITY], 0.1)) ** 2


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
    believed, standing, slipping, placed = 0, 0, 0, 0
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
                placed += 1
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
                correct(rotation, columns, bias, covariance, z, of_error, white)
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
    still = standing * points == feet and not placed
    state[STILL] = state[STILL] + dt if still else 0.0
    state[NO_FOOT] = 0.0 if standing else state[NO_FOOT] + dt
    state[ALL_SLIP] = state[ALL_SLIP] + dt if slipping and not standing else 0.0
    if state[ALL_SLIP] > parameters[ALL_SLIP_TIME]:
        _doubt_velocity(state, covariance, positions, parameters)
    _settle(state, covariance, feet, parameters)
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
def _settle(state: Float, covariance: Float, feet: int, parameters: Float) -> None:
    """Note whether tilt and velocity are known well for the first time."""
    if state[SETTLED] == 0.0:
        tilt, velocity = spread(state, covariance, feet)
        if tilt < parameters[SETTLED_TILT] and velocity < parameters[SETTLED_VELOCITY]:
            state[SETTLED] = 1.0


@compiled
def spread(state: Float, covariance: Float, feet: int) -> tuple[float, float]:
    """Standard deviations of tilt, rad, and velocity, m/s: the largest of their components."""
    columns = state[10 : 10 + 3 * (2 + feet)].reshape(2 + feet, 3)
    world = world_covariance(columns, covariance)
    tilt = max(world[0, 0], world[1, 1])
    velocity = max(world[3, 3], world[4, 4], world[5, 5])
    return math.sqrt(max(tilt, 0.0)), math.sqrt(max(velocity, 0.0))


@compiled
def take_event(
    events: Float,
    states: Float,
    covariances: Float,
    span: Float,
    event: Float,
    feet: int,
    parameters: Float,
) -> int:
    """Put an event in its place in time and compute all states from there on.

    Args:
        events: of the `Timeline`, changed in place.
        states: likewise.
        covariances: likewise.
        span: likewise.
        event: (3 + payload,) an IMU's gyro and accel, or the feet's positions and contacts.
        feet: F.
        parameters: see above.

    Returns:
        How many feet were believed; or why the event has no place, of `timeline`.
    """
    first = place(events, span, event)
    if first < 0:
        return first
    capacity = events.shape[0]
    result = 0
    for index in range(first, int(span[1])):
        now = slot(span, capacity, index)
        before = slot(span, capacity, index - 1)
        state, covariance, what = states[now], covariances[now], events[now]
        state[:] = states[before]
        covariance[:] = covariances[before]
        if what[KIND] == IMU:
            reading = views(state, feet)[3]
            reading[:] = what[PAYLOAD : PAYLOAD + 6].reshape(2, 3)
            advance(state, covariance, what[STAMP], feet, parameters)
            continue
        advance(state, covariance, what[STAMP], feet, parameters)
        end = PAYLOAD + 3 * feet
        positions = what[PAYLOAD:end].reshape(feet, 3)
        count = take_feet(state, covariance, positions, what[end : end + feet], parameters)
        what[BELIEVED] = 1.0 if count else 0.0
        if index == first:
            result = count
    return result
