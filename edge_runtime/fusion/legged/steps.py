"""Going through time, reading by reading: the legged filter's events and what each does.

Plain arrays and numbers, compiled, so that a step costs microseconds.
"""

import numpy as np

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.legged.equations import (
    correct,
    distance,
    propagate,
    whitener,
)
from edge_runtime.fusion.legged.feet import take_feet
from edge_runtime.fusion.legged.rest import REST, add_to_window, end_window
from edge_runtime.fusion.legged.state import (
    ACTIVE,
    IMU,
    LOST,
    NOISES,
    OUTLIER_GATE,
    POINT_WALK,
    POINTS,
    PROBABILITY,
    REST_RATIO,
    SLIP_WALK,
    SLIPPING,
    STATUS,
    WALK,
    views,
)
from edge_runtime.fusion.measurement import Float
from edge_runtime.fusion.timeline import BELIEVED, KIND, PAYLOAD, STAMP, place, slot

_JERK, _TWIST = 30.0, 20.0  # m/s^3 and rad/s^2: how what an IMU reads changes in a walk


@compiled
def advance(state: Float, covariance: Float, stamp: float, feet: int, parameters: Float) -> None:
    """Go forward to a time with the last reading."""
    dt = stamp - state[0]
    if dt <= 0.0:
        return
    rotation, columns, bias, reading, records = views(state, feet)
    walk = np.zeros((feet, feet))
    points = int(parameters[POINTS])
    for first in range(0, feet, points):
        if records[first, ACTIVE] > 0.0:
            walk[first : first + points, first : first + points] += _walk(
                records[first], parameters[WALK], parameters
            )
        if points == 2 and records[first, ACTIVE] > 0.0:
            # turning on the ground, the points go opposite ways
            turn = _walk(records[first + 1], parameters[POINT_WALK], parameters)
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
def watch_for_rest(
    state: Float, covariance: Float, dt: float, feet: int, parameters: Float
) -> None:
    """At rest the gyroscope reads its bias and noise."""
    rotation, columns, bias, reading, _records = views(state, feet)
    record = state[state.size - STATUS - REST : state.size - STATUS]
    if not add_to_window(record, reading, dt):
        return
    seconds, mean = record[0], np.zeros(3)
    if not end_window(record, parameters[:NOISES], parameters[REST_RATIO], mean):
        return
    b = covariance.shape[0] - 6
    of_error = covariance[b : b + 3].copy()
    s = of_error[:, b : b + 3].copy()
    for i in range(3):
        s[i, i] += parameters[0] / seconds
    white = whitener(s)
    z = mean - bias[0]
    if distance(z, white) < parameters[OUTLIER_GATE]:
        correct(rotation, columns, bias, covariance, z, of_error, white, False)


def forget_rest(state: Float) -> None:
    """After a gap nothing is known of it."""
    state[-STATUS - REST : -STATUS] = 0.0


@compiled
def _doubt_bridge(covariance: Float, lost: float) -> None:
    """One reading stood for those that were lost meanwhile."""
    for i in range(3):
        covariance[i, i] += (0.5 * _TWIST * lost * lost) ** 2
        covariance[3 + i, 3 + i] += (0.5 * _JERK * lost * lost) ** 2


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
            dt = what[STAMP] - state[0]
            advance(state, covariance, what[STAMP], feet, parameters)
            watch_for_rest(state, covariance, dt, feet, parameters)
            _doubt_bridge(covariance, what[PAYLOAD + LOST])
            continue
        advance(state, covariance, what[STAMP], feet, parameters)
        end = PAYLOAD + 3 * feet
        positions = what[PAYLOAD:end].reshape(feet, 3)
        count = take_feet(state, covariance, positions, what[end : end + feet], parameters)
        what[BELIEVED] = 1.0 if count else 0.0
        if index == first:
            result = count
    return result


@compiled
def take_events(
    events: Float,
    states: Float,
    covariances: Float,
    span: Float,
    new: Float,
    feet: int,
    parameters: Float,
) -> int:
    """As `take_event` for each row of `new`, (n, 3 + payload); the result is the last one's."""
    result = 0
    for index in range(new.shape[0]):
        result = take_event(events, states, covariances, span, new[index], feet, parameters)
    return result
