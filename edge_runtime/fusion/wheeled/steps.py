"""Takes the wheeled filter from event to event along its timeline."""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.timeline import place, slot
from edge_runtime.fusion.wheeled.constraints import FRESH, motion, roll
from edge_runtime.fusion.wheeled.equations import propagate
from edge_runtime.fusion.wheeled.gnss import gnss
from edge_runtime.fusion.wheeled.state import BROKEN, CONSTANTS, EVENT, GNSS, IMU, MOMENT, WHEELS, D
from edge_runtime.signals import Float

JOLT = 10.0  # m/s^2 from one reading to the next: a hole in the road, or a faulty sensor


@compiled
def step(x: Record, cov: Float, since: float, event: Record, c: Record) -> bool:
    """Propagates from the event before, `since` s ago, and applies this one; changes x and cov.

    Returns:
        Whether the event was believed.
    """
    if event["kind"] == IMU:
        mean_gyro, mean_accel = np.empty(3), np.empty(3)
        jolt = 0.0
        for i in range(3):
            mean_gyro[i] = 0.5 * (x["gyro"][i] + event["gyro"][i])
            mean_accel[i] = 0.5 * (x["accel"][i] + event["accel"][i])
            jolt = max(jolt, abs(event["accel"][i] - x["accel"][i]))
        if x["resting"] == 1.0 and event["stamp"] - x["wheels"]["believed"] < FRESH:
            hold_heading(x, mean_gyro)
        propagate(x, cov, mean_gyro, mean_accel, since, c)
        for i in range(3):
            if jolt > JOLT:  # what it was between the two is not known
                cov[D.velocity + i, D.velocity + i] += (jolt * since) ** 2
            x["gyro"][i] = event["gyro"][i]
            x["accel"][i] = event["accel"][i]
        return True
    if since > 0.0:
        propagate(x, cov, x["gyro"].copy(), x["accel"].copy(), since, c)
    if event["kind"] == WHEELS:
        return roll(x, cov, event, c)
    if event["kind"] == GNSS:
        return gnss(x, cov, event, c)
    return motion(x, cov, event, c)


@compiled
def hold_heading(x: Record, gyro: Float) -> None:
    """Removes the turn about the vertical from a gyroscope's reading: the car stands."""
    r = quaternion_to_matrix(x["attitude"])
    turning = 0.0
    for i in range(3):
        turning += r[2, i] * (gyro[i] - x["gyro_bias"][i])
    for i in range(3):
        gyro[i] -= r[2, i] * turning


@compiled
def take_in(
    numbers: Float, covariances: Float, span: Float, incoming: Float, constants: Float
) -> int:
    """Puts an event into the timeline and brings every state from there on up to date.

    Args:
        numbers: of the `Timeline`; written.
        covariances: likewise.
        span: likewise.
        incoming: of one `EVENT`.
        constants: of one `CONSTANTS`.

    Returns:
        1 if it was believed, 0 if not, what `place` returns if it has no place, or BROKEN if the
        newest state is not finite or has a negative variance.
    """
    moments, c = numbers.view(MOMENT), constants.view(CONSTANTS)[0]
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
    return int(moments[here]["event"]["believed"]) if math.isfinite(total) else BROKEN
