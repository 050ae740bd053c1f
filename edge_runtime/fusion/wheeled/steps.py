"""Takes the wheeled filter from event to event along its timeline."""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.timeline import place, slot
from edge_runtime.fusion.wheeled.constraints import FRESH, motion, roll
from edge_runtime.fusion.wheeled.drift import drift_on
from edge_runtime.fusion.wheeled.equations import propagate
from edge_runtime.fusion.wheeled.gnss import gnss
from edge_runtime.fusion.wheeled.state import BROKEN, CONSTANTS, EVENT, GNSS, IMU, MOMENT, WHEELS, D
from edge_runtime.signals import Float

SHAKING = 0.3  # s in which the accelerometer's noise is raised or lowered e times
SOONEST = 0.002  # s between two readings; less is an error of their stamps
# Median of the squared difference of two readings of white noise, over its variance: twice that
# of chi-squared of one degree.
MEDIAN = 0.91
HOLDING = 0.5  # s after which a turn at rest is forgotten
LEAP, TWIST = 0.02, 0.002  # m and rad, the most that one correction moves the continuous pose
JOLT = 10.0  # m/s^2 from one reading to the next: a hole in the road, or a faulty sensor
# Variance of the velocity by a jolt, over the square of jolt times the time between the readings.
# When it came is not known; and one that goes back at once, on any axis, may be a faulty sensor's.
JOLTED, RETURNED = 0.25, 1.75


@compiled
def step(x: Record, cov: Float, since: float, event: Record, c: Record) -> bool:
    """Propagates from the event before, `since` s ago, and applies this one; changes x and cov.

    Returns:
        Whether the event was believed.
    """
    if event["kind"] == IMU:
        mean_gyro, mean_accel = np.empty(3), np.empty(3)
        jolt, back = 0.0, False
        between = event["stamp"] - x["read"]  # `since` is shorter where wheels or GNSS came after
        x["read"] = event["stamp"]
        for i in range(3):
            mean_gyro[i] = 0.5 * (x["gyro"][i] + event["gyro"][i])
            mean_accel[i] = 0.5 * (x["accel"][i] + event["accel"][i])
            change = event["accel"][i] - x["accel"][i]
            jolt = max(jolt, abs(change))
            before = x["change"][i]
            back = back or (change * before < 0.0 and min(abs(change), abs(before)) > JOLT)
            x["change"][i] = change
            follow_noise(x["shake"], i, change, between, c)
        go_on(x, cov, mean_gyro, mean_accel, event["stamp"], since, c)
        for i in range(3):
            if jolt > JOLT:
                share = RETURNED if back else JOLTED
                cov[D.velocity + i, D.velocity + i] += share * (jolt * between) ** 2
            x["gyro"][i] = event["gyro"][i]
            x["accel"][i] = event["accel"][i]
        return True
    if since > 0.0:
        go_on(x, cov, x["gyro"].copy(), x["accel"].copy(), event["stamp"], since, c)
    if event["kind"] == WHEELS:
        return roll(x, cov, event, c)
    if event["kind"] == GNSS:
        return gnss(x, cov, event, c)
    return motion(x, cov, event, c)


@compiled
def follow_noise(noise: Float, axis: int, change: float, since: float, c: Record) -> None:
    """Follows the variance of an accelerometer's white noise, at least the configured one.

    It follows the median of the squared changes, not their mean: blows and slipping tyres change
    the readings too, seldom but by far more.

    Args:
        noise: (3,) (m/s^2)^2, of each axis; written.
        axis: the axis of the accelerometer.
        change: m/s^2, from the reading before.
        since: s since the reading before.
        c: the constants.
    """
    more = 1.0 + min(since / SHAKING, 1.0)
    followed = noise[axis] * more if change * change > MEDIAN * noise[axis] else noise[axis] / more
    noise[axis] = max(followed, c["accel_noise"] ** 2 / max(since, SOONEST))


@compiled
def go_on(
    x: Record, cov: Float, gyro: Float, accel: Float, stamp: float, since: float, c: Record
) -> None:
    """Propagates by the mean readings; the heading is held while the car rests."""
    for i in range(3):
        x["lately"][i] += gyro[i] * since
    x["lately_for"] += since
    resting = x["resting"] == 1.0 and stamp - x["wheels"]["believed"] < FRESH
    if resting:
        hold_heading(x, gyro, since)
    propagate(x, cov, gyro, accel, since, c, resting)


@compiled
def hold_heading(x: Record, gyro: Float, since: float) -> None:
    """Removes the turn about the vertical from a gyroscope's reading: the car stands.

    What was removed lately is kept in `held`, for a car that began to turn before its wheels say
    so.
    """
    r = quaternion_to_matrix(x["attitude"])
    turning = 0.0
    for i in range(3):
        turning += r[2, i] * (gyro[i] - x["gyro_bias"][i])
    for i in range(3):
        gyro[i] -= r[2, i] * turning
    x["held"] = x["held"] * (1.0 - min(since / HOLDING, 1.0)) + turning * since


@compiled
def yaw(q: Float) -> float:
    """Returns the heading of a quaternion, rad."""
    return math.atan2(2.0 * (q[0] * q[3] + q[1] * q[2]), 1.0 - 2.0 * (q[2] * q[2] + q[3] * q[3]))


@compiled
def move_on(
    odometry: Float, moment: Record, stamp: float, heading: float, position: Float, kind: float
) -> None:
    """Moves the continuous pose on as the newest state has moved, except by what jumps.

    GNSS corrects the state, and moves the pose by velocity and turn rate alone. A correction of the
    position by more than `LEAP` is left out, as the first standstill after a long way may make it;
    one of the heading by more than `TWIST` comes in parts.

    Args:
        odometry: (6,) position, m; its heading less that of the state, rad; its heading, rad; how
            far its heading has still to be corrected, rad; written.
        moment: the newest.
        stamp: the stamp of the newest before, s.
        heading: the heading of the state then, rad.
        position: the position of the state then, (3,) m.
        kind: the kind of the event that came.
    """
    x = moment["state"]
    now, dt = yaw(x["attitude"]), moment["event"]["stamp"] - stamp
    turning, off = 0.0, 0.0
    if x["resting"] == 0.0:
        r = quaternion_to_matrix(x["attitude"])
        for i in range(3):
            turning += r[2, i] * (x["gyro"][i] - x["gyro_bias"][i]) * dt
    for i in range(3):
        off = max(off, abs(x["position"][i] - position[i] - x["velocity"][i] * dt))
    moved = np.empty(3)
    for i in range(3):
        moved[i] = x["velocity"][i] * dt
        if kind != GNSS and off <= LEAP:
            moved[i] = x["position"][i] - position[i]
    if kind != GNSS:
        correction = now - heading - turning
        odometry[5] += correction - 2.0 * math.pi * math.floor(correction / (2.0 * math.pi) + 0.5)
        part = min(max(odometry[5], -TWIST), TWIST)
        odometry[5] -= part
        turning += part
    cosine, sine = math.cos(odometry[3]), math.sin(odometry[3])
    odometry[0] += cosine * moved[0] - sine * moved[1]
    odometry[1] += sine * moved[0] + cosine * moved[1]
    odometry[2] += moved[2]
    odometry[4] += turning
    odometry[3] = odometry[4] - now


@compiled
def take_in(
    numbers: Float,
    covariances: Float,
    span: Float,
    incoming: Float,
    constants: Float,
    odometry: Float,
    drift: Float,
) -> int:
    """Puts an event into the timeline and brings every state from there on up to date.

    Args:
        numbers: the numbers of the `Timeline`; written.
        covariances: likewise.
        span: likewise.
        incoming: one `EVENT`.
        constants: one `CONSTANTS`.
        odometry: (6,) of `move_on`; written.
        drift: (6, 3) of `drift_on`; written.

    Returns:
        1 if it was believed, 0 if not, what `place` returns if it has no place, or BROKEN if the
        newest state is not finite or has a negative variance.
    """
    moments, c = numbers.view(MOMENT), constants.view(CONSTANTS)[0]
    newest = moments[slot(span, moments.shape[0], int(span[1]) - 1)]
    stamp, heading = newest["event"]["stamp"], yaw(newest["state"]["attitude"])
    position = newest["state"]["position"].copy()
    index = place(moments["event"], span, incoming.view(EVENT)[0])
    if index < 0:
        return index
    capacity = moments.shape[0]
    here = slot(span, capacity, index)
    before = slot(span, capacity, index - 1)
    for later in range(index, int(span[1])):
        now = slot(span, capacity, later)
        moment, last = moments[now], moments[before]
        moment["state"] = last["state"]
        covariances[now] = covariances[before]
        event = moment["event"]
        since = event["stamp"] - last["event"]["stamp"]
        believed = step(moment["state"], covariances[now], since, event, c)
        event["believed"] = 1.0 if believed else 0.0
        before = now
    x, total = moments[before]["state"], 0.0
    for i in range(3):
        total += x["velocity"][i] + x["position"][i] + x["gyro_bias"][i] + x["accel_bias"][i]
        total += x["attitude"][i] + x["wander"][i]
    total += x["wheel_scale"] + x["wheel_offset"] + x["mount_pitch"] + x["mount_yaw"]
    total += x["steering_offset"] + x["delay"] + x["attitude"][3]
    for i in range(D.size):
        variance = covariances[before, i, i]
        if not variance >= 0.0:
            return BROKEN
        total += variance
    if not math.isfinite(total):
        return BROKEN
    east, north = odometry[0], odometry[1]
    move_on(odometry, moments[before], stamp, heading, position, incoming.view(EVENT)[0]["kind"])
    gone = moments[before]["event"]["stamp"] - stamp
    moved_x, moved_y = odometry[0] - east, odometry[1] - north
    drift_on(drift, x, covariances[before], odometry[4], moved_x, moved_y, gone, c["gyro_noise"])
    return int(moments[here]["event"]["believed"])
