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
    inverse_3,
    place_foot,
    propagate,
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
PARAMETERS = 20


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
    walk = np.zeros(feet)
    for k in range(feet):
        if records[k, ACTIVE] > 0.0:
            density = parameters[WALK] / max(records[k, PROBABILITY], 0.1)
            if records[k, SLIPPING] > 0.0:
                density = parameters[SLIP_WALK]
            walk[k] = density * density
    propagate(rotation, columns, bias, covariance, reading, dt, parameters[:NOISES], walk)
    state[0] = stamp


@compiled
def take_feet(
    state: Float, covariance: Float, positions: Float, contact: Float, parameters: Float
) -> int:
    """Correct by a reading of the feet.

    Args:
        state, covariance: changed in place.
        positions: (F, 3) m, in the body frame.
        contact: (F,) probabilities.
        parameters: see above.

    Returns:
        How many feet's readings were believed, or placed a foot anew.
    """
    feet = contact.size
    rotation, columns, bias, _reading, records = views(state, feet)
    dt = min(max(state[0] - state[LAST_FEET], 0.0), 0.1)
    state[LAST_FEET] = state[0]
    variance = parameters[FOOT_NOISE] * parameters[FOOT_NOISE]
    share = dt / (dt + parameters[SLIP_TIME])
    believed, standing, slipping = 0, 0, 0
    for k in range(feet):
        record, at = records[k], positions[k]
        if not math.isfinite(contact[k] + at[0] + at[1] + at[2]):
            record[ACTIVE] = 0.0
            forget_foot(covariance, k)
            continue
        record[PROBABILITY] = min(contact[k], 1.0)
        if record[ACTIVE] == 0.0:
            if contact[k] >= parameters[CONTACT_ON]:
                record[:] = 0.0
                record[ACTIVE] = 1.0
                record[PROBABILITY] = min(contact[k], 1.0)
                place_foot(rotation, columns, covariance, k, at, variance)
                believed += 1
                standing += 1
            continue
        if contact[k] < parameters[CONTACT_OFF]:
            record[ACTIVE] = 0.0
            forget_foot(covariance, k)
            continue
        z, of_error, s = innovation(rotation, columns, covariance, k, at, variance)
        inverse = inverse_3(s)
        squared = distance(z, inverse)
        credible = squared < parameters[OUTLIER_GATE]
        scale = 1.0 if credible else math.sqrt(parameters[OUTLIER_GATE] / squared)
        for i in range(3):
            record[MEAN + i] += share * (scale * z[i] - record[MEAN + i])
        state[SURPRISE] += 0.05 * (min(squared, 100.0) / 3.0 - state[SURPRISE])
        if credible:
            record[REFUSED] = 0.0
            correct(rotation, columns, bias, covariance, z, of_error, inverse)
            believed += 1
        else:
            record[REFUSED] += dt
        drift = distance(record[MEAN : MEAN + 3], inverse) * (2.0 - share) / max(share, 1e-3)
        slips = record[REFUSED] > parameters[PATIENCE] or drift > parameters[SLIP_GATE]
        if record[SLIPPING] == 0.0 and slips:
            record[MEAN : MEAN + 3] = 0.0
            place_foot(rotation, columns, covariance, k, at, variance)
            record[REFUSED] = 0.0
            record[SLIPPING] = 1e-9
            record[ANCHOR : ANCHOR + 3] = columns[2 + k]
        elif record[SLIPPING] > 0.0:
            _come_to_rest(record, columns[2 + k], dt, parameters)
        if record[SLIPPING] > 0.0:
            slipping += 1
        else:
            standing += 1
    state[NO_FOOT] = 0.0 if standing else state[NO_FOOT] + dt
    state[ALL_SLIP] = state[ALL_SLIP] + dt if slipping and not standing else 0.0
    if state[ALL_SLIP] > parameters[ALL_SLIP_TIME]:
        _doubt_velocity(state, covariance, positions, parameters)
    _settle(state, covariance, feet, parameters)
    return believed


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
    variance = parameters[FOOT_NOISE] * parameters[FOOT_NOISE]
    for k in range(feet):
        if records[k, ACTIVE] > 0.0:
            records[k, MEAN:] = 0.0
            place_foot(rotation, columns, covariance, k, positions[k], variance)
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
        events, states, covariances, span: of the `Timeline`, changed in place.
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
