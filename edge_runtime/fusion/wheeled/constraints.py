"""Corrects the wheeled filter by wheels, steering, the car's constraints and lidar odometry."""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.wheeled.at_rest import let_go, stands, still
from edge_runtime.fusion.wheeled.equations import (
    TAKEN,
    as_if_known,
    correct,
    credible,
    delay_known,
    doubt,
    everything,
    gated,
    inject,
    innovation,
    persistent,
)
from edge_runtime.fusion.wheeled.state import GATE_3, D, along_row
from edge_runtime.signals import Float

FRESH = 1.0  # s; a sensor that was believed within it counts against another
FAR = 0.3  # m/s; after a larger correction the constraints are linearized anew
UNANIMOUS = 0.5  # s for which two sensors must refuse the IMU


@compiled
def roll(x: Record, cov: Float, event: Record, c: Record) -> bool:
    """Corrects by wheel speeds, steering, standstill, and no side or upward speed of the axle.

    Returns:
        Whether the wheels were believed.
    """
    stamp = event["stamp"]
    since = stamp - x["wheels"]["seen"]
    x["wheels"]["seen"] = stamp
    count = int(c["wheel_count"])
    standing = stands(x, event, since, c)
    axes = car_axes(x)
    rows, along = np.empty((3, D.size)), np.empty(3)
    yaw_rate = at_axle(x, axes, rows, along, c)
    known, dx = what_shows(x, cov, axes, stamp, c), np.zeros(D.size)
    x["resting"] = 0.0
    if standing:
        believed = still(x, cov, known, dx, rows, along, since, event, c)
    else:
        believed = rolling(x, cov, known, dx, rows, along, yaw_rate, since, event, c)
    if believed:
        x["wheels"]["believed"] = stamp
        x["wheels"]["refused"] = math.nan
        if not standing:
            if np.abs(dx[D.velocity : D.position]).max() > FAR:
                inject(x, cov, dx)
                dx[:] = 0.0
                yaw_rate = at_axle(x, axes, rows, along, c)
                known = what_shows(x, cov, axes, stamp, c)
            constrain(cov, known, dx, rows, along, yaw_rate, since, c)
        if abs(along[0]) > c["heading_speed"] and c["wheelbase"] > 0.0:
            steer(x, cov, dx, axes, along[0], yaw_rate, event["steering"], since, c)
        inject(x, cov, dx)
        if x["resting"] == 0.0:
            let_go(x)
        return True
    if math.isnan(x["wheels"]["refused"]):
        x["wheels"]["refused"] = stamp
    # Neither wheels nor IMU are right for ever. GNSS decides: against the wheels if it is believed,
    # against the IMU if it is refused as well.
    witness = stamp - x["fix_velocity"]["believed"] < FRESH
    alone = stamp - x["wheels"]["refused"] > c["patience"] and not witness
    both = min(stamp - x["wheels"]["refused"], stamp - x["fix_velocity"]["refused"]) > UNANIMOUS
    reversed = witness and stamp - x["wheels"]["refused"] > 2.0 * c["patience"]
    if reversed:
        x["heading_known"] = 0.0  # it may go backwards where GNSS was taken to say forwards
        x["anchor"][0] = x["pivot"][0] = math.nan
    if alone or reversed or (both and not math.isnan(x["fix_velocity"]["refused"])):
        wide = 0.0
        for i in range(count):
            apart = abs(event["wheel_speed"][i] - along[0])
            if apart > wide:  # False for NaN
                wide = apart
        doubt(cov, wide)
        x["wheels"]["refused"] = math.nan
        x["fix_velocity"]["refused"] = math.nan
    return False


@compiled
def at_axle(x: Record, axes: Float, rows: Float, along: Float, c: Record) -> float:
    """Returns the yaw rate of the car, rad/s, and writes the velocity of its rear axle.

    Args:
        x: the state.
        axes: the axes of `car_axes`.
        rows: (3, D.size) d along / d error; written.
        along: (3,) velocity in the car's frame, m/s; written.
        c: the constants.
    """
    r = quaternion_to_matrix(x["attitude"])
    wx = x["gyro"][0] - x["gyro_bias"][0]
    wy = x["gyro"][1] - x["gyro_bias"][1]
    wz = x["gyro"][2] - x["gyro_bias"][2]
    lx, ly, lz = c["rear_axle"][0], c["rear_axle"][1], c["rear_axle"][2]
    at = np.empty(3)  # velocity of the rear axle in the body frame
    at[0] = wy * lz - wz * ly
    at[1] = wz * lx - wx * lz
    at[2] = wx * ly - wy * lx
    for i in range(3):
        for j in range(3):
            at[i] += r[j, i] * x["velocity"][j]
    for i in range(3):
        along[i] = 0.0
        for j in range(3):
            along[i] += axes[i, j] * at[j]
    yaw_rate = axes[2, 0] * wx + axes[2, 1] * wy + axes[2, 2] * wz
    rows[:] = 0.0
    a = np.empty(3)
    for i in range(3):  # each axis in the world frame
        for j in range(3):
            a[j] = r[j, 0] * axes[i, 0] + r[j, 1] * axes[i, 1] + r[j, 2] * axes[i, 2]
        along_row(rows[i], a, x["velocity"])
        rows[i, D.gyro_bias] = axes[i, 1] * lz - axes[i, 2] * ly
        rows[i, D.gyro_bias + 1] = axes[i, 2] * lx - axes[i, 0] * lz
        rows[i, D.gyro_bias + 2] = axes[i, 0] * ly - axes[i, 1] * lx
    cp, sp = math.cos(x["mount_pitch"]), math.sin(x["mount_pitch"])
    rows[0, D.mount_pitch] = -along[2]
    rows[2, D.mount_pitch] = along[0]
    rows[0, D.mount_yaw] = cp * along[1]
    rows[1, D.mount_yaw] = -cp * along[0] - sp * along[2]
    rows[2, D.mount_yaw] = sp * along[1]
    return yaw_rate


@compiled
def what_shows(x: Record, cov: Float, axes: Float, stamp: float, c: Record) -> Float:
    """Returns the covariance by which wheels correct: as if that were known which cannot show.

    Without GNSS and lidar neither the heading nor the calibration shows, and never the delay.
    """
    fixed = x["heading_known"] == 1.0 and stamp - x["fix"]["believed"] < c["silent"]
    if fixed or stamp - x["motion_seen"] < c["silent"]:
        return delay_known(cov)
    return as_if_known(cov, axes[2])


@compiled
def rolling(
    x: Record,
    cov: Float,
    known: Float,
    dx: Float,
    rows: Float,
    along: Float,
    yaw_rate: float,
    since: float,
    event: Record,
    c: Record,
) -> bool:
    """Corrects by the mean of the wheels that neither spin nor lock; False if all seem to."""
    count = int(c["wheel_count"])
    h = rows[0] * x["wheel_scale"]
    h[D.wheel_scale] = along[0]
    h[D.wheel_offset] = 1.0
    k = np.empty(D.size)
    _, own = innovation(cov, h, dx, 0.0, k)
    gate = c["gate"] * (own + c["wheel_std"] * c["wheel_std"])
    steered = 1.0 if c["wheelbase"] > 0.0 else 0.0  # else no wheel points where its hub goes
    residual = np.empty(count)
    mean, read = 0.0, 0
    for i in range(count):
        if not math.isnan(event["wheel_speed"][i]):
            mean += event["wheel_speed"][i]
            read += 1
    mean /= max(read, 1)
    good, slipping = 0, 0.0
    for i in range(count):
        # A rim rolls the way its hub goes: sideways by the turn, forward by the rest.
        rim = (event["wheel_speed"][i] - x["wheel_offset"]) / x["wheel_scale"]
        sideways = steered * yaw_rate * c["wheels"][i, 0]
        forward = math.sqrt(max(rim * rim - sideways * sideways, 0.0))
        forward = math.copysign(forward, rim) + yaw_rate * c["wheels"][i, 1]
        e = (forward - along[0]) * x["wheel_scale"]
        turned = abs(yaw_rate * c["wheels"][i, 1])
        if c["turn_slip"] >= 1.0:  # on loose ground they turn several times as fast as the body
            turned = max(turned, abs(event["wheel_speed"][i] - mean))
        slip = c["turn_slip"] * turned
        if e * e <= gate + c["gate"] * slip * slip:  # False for NaN
            residual[good] = e
            slipping = max(slipping, slip)
            good += 1
    if good == 0:
        return False
    ordered = np.sort(residual[:good])
    median = 0.5 * (ordered[(good - 1) // 2] + ordered[good // 2])
    spread_allowed = c["wheel_spread"] * (1.0 + 0.1 * abs(along[0])) + slipping
    total, agreeing = 0.0, 0
    for i in range(good):
        if abs(ordered[i] - median) <= spread_allowed:
            total += ordered[i]
            agreeing += 1
    if agreeing == 0:
        return False
    noise = persistent(c["wheel_std"], c["wheel_time"], since)
    correct(cov, known, dx, h, k, total / agreeing, own, noise)
    return True


@compiled
def constrain(
    cov: Float,
    known: Float,
    dx: Float,
    rows: Float,
    along: Float,
    yaw_rate: float,
    since: float,
    c: Record,
) -> None:
    """Corrects by the axle's constraints: no speed up, and none sideways but its tyres' slip."""
    slip = c["sideslip"] * abs(yaw_rate * along[0]) * abs(along[0])
    for i in range(1, 3):
        std = math.sqrt(c["side_std"] ** 2 + slip * slip) if i == 1 else c["up_std"]
        time, gate = c["constraint_time"], c["gate"]
        credible(cov, known, dx, rows[i], -along[i], std, time, since, gate)


@compiled
def steer(
    x: Record,
    cov: Float,
    dx: Float,
    axes: Float,
    speed: float,
    yaw_rate: float,
    steering: float,
    since: float,
    c: Record,
) -> None:
    """Corrects by the yaw rate of the bicycle model, with understeer."""
    angle = steering + x["steering_offset"]
    if not abs(angle) < 1.2:  # also NaN
        return
    per_angle = speed / (c["wheelbase"] * (1.0 + c["understeer"] * speed * speed))
    expected = per_angle * math.tan(angle)
    h = np.zeros(D.size)
    for i in range(3):
        h[D.gyro_bias + i] = -axes[2, i]
    h[D.steering_offset] = -per_angle / math.cos(angle) ** 2
    std = c["rate_std"] + c["rate_share"] * max(abs(expected), abs(yaw_rate))
    off = expected - yaw_rate
    credible(cov, everything(), dx, h, off, std, c["rate_time"], since, c["gate"])


@compiled
def car_axes(x: Record) -> Float:
    """Returns the (3, 3) rows: the car's forward, left and up axes in the body frame."""
    cp, sp = math.cos(x["mount_pitch"]), math.sin(x["mount_pitch"])
    cy, sy = math.cos(x["mount_yaw"]), math.sin(x["mount_yaw"])
    axes = np.empty((3, 3))
    axes[0, 0], axes[0, 1], axes[0, 2] = cy * cp, sy * cp, -sp
    axes[1, 0], axes[1, 1], axes[1, 2] = -sy, cy, 0.0
    axes[2, 0], axes[2, 1], axes[2, 2] = cy * sp, sy * sp, cp
    return axes


@compiled
def motion(x: Record, cov: Float, event: Record, c: Record) -> bool:
    """Corrects by independent combinations of velocity and turn rate in the body.

    The event holds the three values, their standard deviations, and the factors of each.
    """
    stamp = event["stamp"]
    since = stamp - x["motion_seen"]
    x["motion_seen"] = stamp
    r = quaternion_to_matrix(x["attitude"])
    ahead, left = np.zeros(D.size), np.zeros(D.size)  # d of the velocities in the body
    along = np.zeros(2)
    for i in range(2):
        a = r[:, i].copy()
        for j in range(3):
            along[i] += a[j] * x["velocity"][j]
        along_row(ahead if i == 0 else left, a, x["velocity"])
    turning = x["gyro"][2] - x["gyro_bias"][2]
    rows, residual = np.zeros((3, D.size)), np.empty(3)
    std, slow = np.empty(3), np.empty(3)
    for i in range(3):
        u = event["factors"][i]
        predicted = u[0] * along[0] + u[1] * along[1] + u[2] * turning
        for j in range(D.size):
            rows[i, j] = u[0] * ahead[j] + u[1] * left[j]
        rows[i, D.gyro_bias + 2] -= u[2]
        residual[i] = event["motion"][i] - predicted
        std[i] = event["motion_std"][i]
        slow[i] = persistent(std[i], c["motion_time"], since)
    all_of_it, gate = everything(), c["gate"] * GATE_3
    return gated(x, cov, all_of_it, rows, residual, std, slow, gate) == TAKEN
