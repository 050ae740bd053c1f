"""Corrects the wheeled filter by GNSS: position, velocity, and at first the heading."""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.wheeled.equations import (
    MISSING,
    TAKEN,
    delay_known,
    everything,
    gated,
    hamilton,
    persistent,
)
from edge_runtime.fusion.wheeled.state import GATE_3, D
from edge_runtime.signals import Float

LAGGING = 1.0  # m/s^2 of speeding up or braking, which a receiver's own filter follows late
FRESH = 1.0  # s for which wheels that were believed say how far the car has gone
DEPARTED, UNDECIDED = 0.1, 3.0  # m from a fix: it no longer stands; its heading should be known
PATIENT_START = 0.5  # s to wait for wheels before GNSS alone gives the heading


@compiled
def gnss(x: Record, cov: Float, event: Record, c: Record) -> bool:
    """Corrects by a fix: position with its slow error and its delay, and velocity.

    Returns:
        Whether any part of it was believed.
    """
    clean(event)
    r = quaternion_to_matrix(x["attitude"])
    arm, swing = np.zeros(3), np.zeros(3)  # of the antenna in the world frame: m, m/s
    lx, ly, lz = c["antenna"][0], c["antenna"][1], c["antenna"][2]
    wx = x["gyro"][0] - x["gyro_bias"][0]
    wy = x["gyro"][1] - x["gyro_bias"][1]
    wz = x["gyro"][2] - x["gyro_bias"][2]
    for i in range(3):
        arm[i] = r[i, 0] * lx + r[i, 1] * ly + r[i, 2] * lz
        swing[i] = (
            r[i, 0] * (wy * lz - wz * ly)
            + r[i, 1] * (wz * lx - wx * lz)
            + r[i, 2] * (wx * ly - wy * lx)
        )
    if x["heading_known"] == 0.0:
        return find_heading(x, cov, event, arm, swing, c)
    velocity = gnss_velocity(x, cov, event, swing, c)
    return gnss_position(x, cov, event, arm, swing, c) or velocity


@compiled
def clean(event: Record) -> None:
    """Marks what is infinite as not measured, and widens claims that are none."""
    for i in range(3):
        if math.isinf(event["position"][i]):
            event["position"][i] = math.nan
        if math.isinf(event["velocity"][i]):
            event["velocity"][i] = math.nan
        if not 0.0 < event["std"][i] < math.inf:
            event["std"][i] = 10.0
    if not 0.0 < event["velocity_std"] < math.inf:
        event["velocity_std"] = 1.0


@compiled
def gnss_velocity(x: Record, cov: Float, event: Record, swing: Float, c: Record) -> bool:
    """Corrects by the antenna's velocity, of which a component may be missing."""
    stamp, std = event["stamp"], event["velocity_std"]
    rows, residual = np.zeros((3, D.size)), np.empty(3)
    for i in range(3):
        rows[i, D.velocity + i] = 1.0
        rows[i, D.delay] = -x["push"][i]
        lever_row(rows[i], i, swing)
        predicted = x["velocity"][i] + swing[i] - x["delay"] * x["push"][i]
        residual[i] = event["velocity"][i] - predicted
    slow = persistent(std, c["velocity_time"], stamp - x["fix_velocity"]["seen"])
    # A receiver filters its velocity, which is then later than its position: it shows no delay.
    known, gate = delay_known(cov), c["gate"] * GATE_3
    verdict = gated(x, cov, known, rows, residual, np.full(3, std), np.full(3, slow), gate)
    if remember(x["fix_velocity"], verdict, stamp, c["patience"]):
        x["heading_known"] = 0.0  # it goes another way than estimated: start over
        x["anchor"][0] = x["pivot"][0] = math.nan
    return verdict == TAKEN


@compiled
def gnss_position(
    x: Record, cov: Float, event: Record, arm: Float, swing: Float, c: Record
) -> bool:
    """Corrects by the antenna's position, of which a component may be missing."""
    rows, residual, std = np.zeros((3, D.size)), np.empty(3), np.empty(3)
    for i in range(3):
        rows[i, D.position + i] = 1.0
        rows[i, D.velocity + i] = -x["delay"]
        rows[i, D.wander + i] = 1.0
        rows[i, D.delay] = -x["velocity"][i]
        lever_row(rows[i], i, arm)
        predicted = (
            x["position"][i] + arm[i] + x["wander"][i] - x["delay"] * (x["velocity"][i] + swing[i])
        )
        residual[i] = event["position"][i] - predicted
        std[i] = max(event["std"][i], c["fix_std"])
    # Speeding up and braking show the delay, but a receiver's own filter then lags in the same way.
    vx, vy = x["velocity"][0], x["velocity"][1]
    ahead = abs(vx * x["push"][0] + vy * x["push"][1])
    lags = ahead > LAGGING * math.sqrt(vx * vx + vy * vy)
    known, gate = delay_known(cov) if lags else everything(), c["gate"] * GATE_3
    verdict = gated(x, cov, known, rows, residual, std, std * std, gate)
    if remember(x["fix"], verdict, event["stamp"], c["patience"]):
        for i in range(3):  # so that the next one is believed
            if not math.isnan(residual[i]):
                cov[D.position + i, D.position + i] += residual[i] * residual[i]
    return verdict == TAKEN


@compiled
def remember(sensor: Record, verdict: int, stamp: float, patience: float) -> bool:
    """Notes in a `SENSOR` when it measured, was believed, and is refused since.

    Returns:
        True once it was refused for too long: it is not the one that is wrong.
    """
    if verdict == MISSING:
        return False
    sensor["seen"] = stamp
    if verdict == TAKEN:
        sensor["believed"] = stamp
        sensor["refused"] = math.nan
    elif math.isnan(sensor["refused"]):
        sensor["refused"] = stamp
    elif stamp - sensor["refused"] > patience:
        sensor["refused"] = math.nan
        return True
    return False


@compiled
def lever_row(h: Float, i: int, arm: Float) -> None:
    """Writes row i of -[arm]x into the angle's columns of a Jacobian's row."""
    if i == 0:
        h[D.angle + 1], h[D.angle + 2] = arm[2], -arm[1]
    elif i == 1:
        h[D.angle], h[D.angle + 2] = -arm[2], arm[0]
    else:
        h[D.angle], h[D.angle + 1] = arm[1], -arm[0]


@compiled
def find_heading(x: Record, cov: Float, event: Record, arm: Float, swing: Float, c: Record) -> bool:
    """Turns the state about the vertical so that the car moves in the direction that GNSS shows.

    The direction is that of the velocity, or of the way between two fixes without one. Until then
    the position follows the fixes, and the velocity is right in the body's frame alone. The first
    metres are gone from the last fix at rest, which no delay moves.
    """
    east, north = event["position"][0], event["position"][1]
    fixed = not (math.isnan(east) or math.isnan(north))
    speed = math.hypot(event["velocity"][0], event["velocity"][1])
    forward = quaternion_to_matrix(x["attitude"])[:, 0]
    own_x, own_y = x["velocity"][0] + swing[0], x["velocity"][1] + swing[1]
    found, course, course_std = False, 0.0, 0.0
    gone = math.hypot(  # since the last fix that gave the position; NaN before the first
        x["position"][0] + arm[0] - x["pivot"][0], x["position"][1] + arm[1] - x["pivot"][1]
    )
    rolls = event["stamp"] - x["wheels"]["believed"] < FRESH
    by_way = math.hypot(x["velocity"][0], x["velocity"][1]) > 0.5  # m/s; else it has no course
    if speed > max(c["heading_speed"], 5.0 * event["velocity_std"]):  # False for NaN
        if math.hypot(own_x, own_y) < 0.5 * speed:
            if event["stamp"] - x["begun"] < PATIENT_START and math.isnan(x["wheels"]["believed"]):
                return False  # wheels, if they come soon, show whether it reverses
            own_x, own_y = forward[0], forward[1]  # not known by wheels: it goes forward
            by_way = False
        course = math.atan2(event["velocity"][1], event["velocity"][0]) - math.atan2(own_y, own_x)
        course_std = event["velocity_std"] / speed
        found = True
    elif fixed and math.isnan(speed):
        if math.isnan(x["anchor"][0]):
            x["anchor"][0], x["anchor"][1] = east, north
            x["departure"][0], x["departure"][1] = x["position"][0], x["position"][1]
        way_x, way_y = east - x["anchor"][0], north - x["anchor"][1]
        way = math.hypot(way_x, way_y)
        own_x, own_y = x["position"][0] - x["departure"][0], x["position"][1] - x["departure"][1]
        if way > c["heading_distance"]:
            if not 0.5 < math.hypot(own_x, own_y) / way < 2.0:
                own_x, own_y = forward[0], forward[1]
                by_way = False
            course = math.atan2(way_y, way_x) - math.atan2(own_y, own_x)
            course_std = 1.5 * max(event["std"][0], c["fix_std"]) / way
            found = True
    if found:
        turn_world(x, cov, course, course_std, by_way)
        if not math.isnan(speed):
            for i in range(2):
                x["velocity"][i] = event["velocity"][i]
                forget(cov, D.velocity + i)
                cov[D.velocity + i, D.velocity + i] = (
                    event["velocity_std"] ** 2 + (0.2 * swing[i]) ** 2
                )
            x["fix_velocity"]["seen"] = event["stamp"]
            x["fix_velocity"]["believed"] = event["stamp"]
        x["heading_known"] = 1.0
        arm = turn_about_vertical(arm, course)
        if by_way and rolls and fixed and gone < c["heading_distance"]:
            turn_position(x, cov, course, course_std * gone, c)
            if gnss_position(x, cov, event, arm, turn_about_vertical(swing, course), c):
                return True
    if fixed and not (rolls and not found and DEPARTED < gone < UNDECIDED):
        set_position(x, cov, event, arm, c)
    return found or fixed


@compiled
def turn_about_vertical(v: Float, angle: float) -> Float:
    """Returns a vector turned about the vertical, (3,)."""
    turned = v.copy()
    turned[0] = math.cos(angle) * v[0] - math.sin(angle) * v[1]
    turned[1] = math.sin(angle) * v[0] + math.cos(angle) * v[1]
    return turned


@compiled
def turn_world(x: Record, cov: Float, angle: float, std: float, by_way: bool) -> None:
    """Turns attitude and velocity about the vertical, and knows the heading from then on.

    What is known is the course of the car, to `std`. So the body's heading is wrong by as much as
    the direction of the velocity is as the body sees it, `by_way`; otherwise it is taken to go
    forwards, and the heading is wrong by the yaw of the car's forward axis in the body.
    """
    q, half = x["attitude"], 0.5 * angle
    hamilton(math.cos(half), 0.0, 0.0, math.sin(half), q[0], q[1], q[2], q[3], q)
    x["velocity"][:] = turn_about_vertical(x["velocity"], angle)
    x["push"][:] = turn_about_vertical(x["push"], angle)
    cosine, sine = math.cos(angle), math.sin(angle)
    for start in (D.angle, D.velocity):
        for k in range(D.size):
            a, b = cov[start, k], cov[start + 1, k]
            cov[start, k], cov[start + 1, k] = cosine * a - sine * b, sine * a + cosine * b
        for k in range(D.size):
            a, b = cov[k, start], cov[k, start + 1]
            cov[k, start], cov[k, start + 1] = cosine * a - sine * b, sine * a + cosine * b
    # The turn is wrong by g: one row for errors of now, and `std`. A linear map of the errors, as
    # anything else may leave a covariance that cannot be.
    yaw, vx, vy = D.angle + 2, x["velocity"][0], x["velocity"][1]
    g, u = np.zeros(D.size), np.zeros(D.size)
    if by_way:
        g[D.velocity] = vy / (vx * vx + vy * vy)
        g[D.velocity + 1] = -vx / (vx * vx + vy * vy)
    else:
        g[yaw], g[D.mount_yaw] = -1.0, -1.0
    u[yaw], u[D.velocity], u[D.velocity + 1] = 1.0, -vy, vx
    row = np.zeros(D.size)
    for i in range(D.size):
        for k in range(D.size):
            row[k] += g[i] * cov[i, k]
    for i in range(D.size):
        for k in range(D.size):
            cov[i, k] += u[i] * row[k]
    for i in range(D.size):
        column = 0.0
        for k in range(D.size):
            column += cov[i, k] * g[k]
        row[i] = column
    for i in range(D.size):
        for k in range(D.size):
            cov[i, k] += row[i] * u[k] + std * std * u[i] * u[k]


@compiled
def turn_position(x: Record, cov: Float, angle: float, std: float, c: Record) -> None:
    """Turns the way since the last fix that gave the position, to `std` m, about that fix."""
    gone = np.zeros(3)
    gone[:2] = x["position"][:2] - x["pivot"]
    gone = turn_about_vertical(gone, angle)
    slow, lever = c["wander_std"] ** 2, c["antenna"][0] ** 2 + c["antenna"][1] ** 2
    grown = max(cov[D.position, D.position], cov[D.position + 1, D.position + 1])
    for i in range(2):
        x["departure"][i] += x["pivot"][i] + gone[i] - x["position"][i]
        x["position"][i] = x["pivot"][i] + gone[i]
        late = cov[D.position + i, D.delay]
        forget(cov, D.position + i)
        cov[D.position + i, D.position + i] = grown - lever + std * std
        cov[D.position + i, D.wander + i] = cov[D.wander + i, D.position + i] = -slow
        cov[D.position + i, D.delay] = cov[D.delay, D.position + i] = late


@compiled
def forget(cov: Float, i: int) -> None:
    """Makes an error independent of all others, and leaves it no variance."""
    for k in range(D.size):
        cov[i, k] = cov[k, i] = 0.0


@compiled
def set_position(x: Record, cov: Float, event: Record, arm: Float, c: Record) -> None:
    """Takes the position from a fix, its slow error and its delay included."""
    for i in range(3):
        measured = event["position"][i]
        if math.isnan(measured):
            continue
        speed = event["velocity"][i]
        if math.isnan(speed):
            speed = x["velocity"][i] * x["heading_known"]
        ahead = measured + x["delay"] * speed
        moved = ahead - arm[i] - x["position"][i]
        x["position"][i] += moved
        if i < 2:
            x["departure"][i] += moved  # so that the way gone since stays what it was
            x["pivot"][i] = ahead
        x["wander"][i] = 0.0
        forget(cov, D.position + i)
        forget(cov, D.wander + i)
        slow = c["wander_std"] * c["wander_std"]
        std = max(event["std"][i], c["fix_std"])
        lever = c["antenna"][0] ** 2 + c["antenna"][1] ** 2 if x["heading_known"] == 0.0 else 0.0
        late = cov[D.delay, D.delay] * speed  # the position errs with the delay
        cov[D.position + i, D.position + i] = slow + std * std + lever + late * speed
        cov[D.position + i, D.delay] = cov[D.delay, D.position + i] = late
        cov[D.wander + i, D.wander + i] = slow
        cov[D.position + i, D.wander + i] = -slow
        cov[D.wander + i, D.position + i] = -slow
    x["fix"]["seen"] = event["stamp"]
    x["fix"]["believed"] = event["stamp"]
    x["fix"]["refused"] = math.nan
