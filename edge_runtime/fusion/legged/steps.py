"""Takes the legged filter from event to event along its timeline."""

import numpy as np

from edge_runtime.fusion.compiled import Numbers, Record, Records, compiled
from edge_runtime.fusion.imu_reading import FINE, judge_reading
from edge_runtime.fusion.legged.at_rest import add_to_window, end_window
from edge_runtime.fusion.legged.equations import correct, distance, propagate, whitener
from edge_runtime.fusion.legged.feet import take_feet
from edge_runtime.fusion.legged.state import EVENT, IMU, MOMENT, PARAMETERS, D
from edge_runtime.fusion.timeline import place, slot
from edge_runtime.signals import Float

_JERK, _TWIST = 30.0, 20.0  # m/s^3 and rad/s^2: how what an IMU reads changes in a walk


@compiled
def advance(x: Record, covariance: Float, stamp: float, p: Record) -> None:
    """Propagates to a time with the last IMU reading."""
    dt = stamp - x["stamp"]
    if dt <= 0.0:
        return
    feet, points = p["feet"], p["points"]
    walk = np.zeros((feet, feet))
    for first in range(0, feet, points):
        foot = x["feet"][first]
        if foot["active"] == 0.0:
            continue
        walk[first : first + points, first : first + points] += _walk(foot, p["foot_walk"], p)
        if points == 2:
            # turning on the ground, the points go opposite ways
            turn = _walk(x["feet"][first + 1], p["point_walk"], p)
            walk[first, first] += turn
            walk[first + 1, first + 1] += turn
            walk[first, first + 1] -= turn
            walk[first + 1, first] -= turn
    propagate(x, covariance, dt, p, walk)
    x["stamp"] = stamp


@compiled
def _walk(foot: Record, density: float, p: Record) -> float:
    """Returns the squared density of a foot's random walk: more if it slips or hardly stands."""
    if foot["slipping"] > 0.0:
        return p["slip_walk"] ** 2
    return (density / max(foot["probability"], 0.1)) ** 2


@compiled
def watch_for_rest(x: Record, covariance: Float, dt: float, p: Record) -> None:
    """Corrects the gyroscope's bias by its mean reading, if the body rests."""
    window = x["rest"]
    if not add_to_window(window, x["gyro"], x["accel"], dt):
        return
    seconds, mean = window["seconds"], np.zeros(3)
    if not end_window(window, p["gyro_noise"], p["accel_noise"], p["rest_ratio"], mean):
        return
    b = covariance.shape[0] - 6
    of_error = covariance[b : b + 3].copy()
    s = of_error[:, b : b + 3].copy()
    for i in range(3):
        s[i, i] += p["gyro_noise"] ** 2 / seconds
    white = whitener(s)
    z = mean - x["gyro_bias"]
    if distance(z, white) < p["outlier_gate"]:
        correct(x, covariance, z, of_error, white, False)


@compiled
def _doubt_bridge(covariance: Float, lost: float) -> None:
    """Widens the covariance for the time for which one reading stood for those that were lost."""
    for i in range(3):
        covariance[i, i] += (0.5 * _TWIST * lost * lost) ** 2
        covariance[D.velocity + i, D.velocity + i] += (0.5 * _JERK * lost * lost) ** 2


@compiled
def take_event(moments: Records, covariances: Float, span: Float, event: Record, p: Record) -> int:
    """Puts an event in its place in time and computes all states from there on.

    Args:
        moments: the moments of the `Timeline`, changed in place.
        covariances: likewise.
        span: likewise.
        event: one `EVENT`, an IMU's reading or the feet's.
        p: the parameters.

    Returns:
        How many feet were believed; or why the event has no place, of `timeline`.
    """
    first = place(moments["event"], span, event)
    if first < 0:
        return first
    capacity = moments.shape[0]
    result = 0
    for index in range(first, int(span[1])):
        now = slot(span, capacity, index)
        before = slot(span, capacity, index - 1)
        moments[now]["state"] = moments[before]["state"]
        covariances[now] = covariances[before]
        x, covariance, what = moments[now]["state"], covariances[now], moments[now]["event"]
        if what["kind"] == IMU:
            x["gyro"][:] = what["gyro"]
            x["accel"][:] = what["accel"]
            dt = what["stamp"] - x["stamp"]
            advance(x, covariance, what["stamp"], p)
            watch_for_rest(x, covariance, dt, p)
            _doubt_bridge(covariance, what["lost"])
            continue
        advance(x, covariance, what["stamp"], p)
        count = take_feet(x, covariance, what["positions"], what["contact"], p)
        what["believed"] = 1.0 if count else 0.0
        if index == first:
            result = count
    return result


@compiled
def take_in(numbers: Float, covariances: Float, span: Float, new: Float, parameters: Float) -> int:
    """Takes an event as `take_event` does, from the memory of the records, which Python passes
    faster.

    Args:
        numbers: the numbers of the `Timeline`, changed in place.
        covariances: likewise.
        span: likewise.
        new: one `EVENT`.
        parameters: one `PARAMETERS`.

    Returns:
        What `take_event` returns.
    """
    moments, p = numbers.view(MOMENT), parameters.view(PARAMETERS)[0]
    return take_event(moments, covariances, span, new.view(EVENT)[0], p)


@compiled
def take_readings(
    check: Numbers,
    check_settings: Numbers,
    readings: Float,
    first: int,
    newest: float,
    period: float,
    numbers: Float,
    covariances: Float,
    span: Float,
    parameters: Float,
    started: bool,
) -> tuple[int, int]:
    """Judges IMU readings and takes them in, up to the first that is not as it should be.

    Args:
        check: state of the `ImuCheck`, changed in place.
        check_settings: settings of the `ImuCheck`.
        readings: (n, 6) rad/s and m/s^2, the oldest first.
        first: the index of the first one to judge.
        newest: s, stamp of the last of the n.
        period: s between two readings.
        numbers: the numbers of the `Timeline`, changed in place.
        covariances: likewise.
        span: likewise.
        parameters: one `PARAMETERS`.
        started: whether the filter has a state to take them into.

    Returns:
        The index after the last reading judged, and what that one was found to be, of
        `imu_reading`. Those before it were FINE and taken in; so was it, if it is FINE and the
        filter has started.
    """
    moments, p = numbers.view(MOMENT), parameters.view(PARAMETERS)[0]
    event = np.zeros(1, EVENT)[0]
    event["kind"] = IMU
    count = readings.shape[0]
    for index in range(first, count):
        stamp = newest + (index + 1 - count) * period
        now = readings[index]
        gx, gy, gz = float(now[0]), float(now[1]), float(now[2])
        ax, ay, az = float(now[3]), float(now[4]), float(now[5])
        found = judge_reading(check, check_settings, stamp, gx, gy, gz, ax, ay, az)
        if found != FINE or not started:
            return index + 1, found
        event["stamp"] = stamp
        for i in range(3):
            event["gyro"][i] = now[i]
            event["accel"][i] = now[3 + i]
        take_event(moments, covariances, span, event, p)
    return count, FINE
