"""Corrects the wheeled filter by wheels, steering, the car's constraints and lidar odometry."""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.lie import quaternion_to_matrix
from edge_runtime.fusion.wheeled.equations import (
    TAKEN,
    as_if_known,
    correct,
    credible,
    delay_known,
    doubt,
    everything,
    gated,
    hamilton,
    inject,
    innovation,
    persistent,
)
from edge_runtime.fusion.wheeled.state import GATE_3, D, along_row
from edge_runtime.signals import Float

FRESH = 1.0  # s; a sensor that was believed within it counts against another
BLOCK = 0.1  # s at rest after which the gyroscope's readings before are believed to be at rest
DEPARTING, NO_NOISE = 25.0, 1e-5  # so many variances, and (m/s)^2, beside a wheel's mean at rest
CREEPING = 0.02  # m/s; a wheel that is faster on average does not stand
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
        x["anchor"][0] = math.nan
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
        axes: of `car_axes`.
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
    for i in range(3):
        a = np.empty(3)  # the axis in the world frame
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
    good, slipping = 0, 0.0
    for i in range(count):
        # A rim rolls the way its hub goes: sideways by the turn, forward by the rest.
        rim = (event["wheel_speed"][i] - x["wheel_offset"]) / x["wheel_scale"]
        sideways = steered * yaw_rate * c["wheels"][i, 0]
        forward = math.sqrt(max(rim * rim - sideways * sideways, 0.0))
        forward = math.copysign(forward, rim) + yaw_rate * c["wheels"][i, 1]
        e = (forward - along[0]) * x["wheel_scale"]
        slip = c["turn_slip"] * yaw_rate * c["wheels"][i, 1]
        if e * e <= gate + c["gate"] * slip * slip:  # False for NaN
            residual[good] = e
            slipping = max(slipping, abs(slip))
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
def stands(x: Record, event: Record, since: float, c: Record) -> bool:
    """Returns whether all wheels stand still, for long enough to say so.

    They move once a reading reaches `still_speed` or leaves what was read at rest, or once the mean
    of one wheel's is more than `CREEPING`.
    """
    stamp, count = event["stamp"], int(c["wheel_count"])
    stood = stamp - x["still_since"]
    ready = stood >= c["still_time"]
    moves, slow = not stood >= 0.0, True
    share = since / min(max(stood, 0.0) + since, 1.0) if since > 0.0 else 1.0
    for i in range(count):
        reading = event["wheel_speed"][i]
        if not abs(reading) < c["still_speed"]:
            moves, slow = True, False
        elif ready:
            off = reading - x["rims"][i]
            if off * off > DEPARTING * x["rim_noise"] + NO_NOISE:
                moves = True
            x["rim_noise"] += (off * off - x["rim_noise"]) * share / count
            x["rims"][i] += off * share
            if abs(x["rims"][i]) > CREEPING + 2.0 * c["wheel_offset_std"]:
                moves = True
        elif stood >= 0.0:
            off = reading - x["rims"][i]
            x["rim_noise"] += (off * off - x["rim_noise"]) * share / count
            x["rims"][i] += off * share
    if moves:
        x["still_since"] = stamp if slow else math.nan
        x["rim_noise"] = 0.0
        for i in range(count):
            x["rims"][i] = event["wheel_speed"][i]
        forget_rest(x)
    return ready and not moves


@compiled
def forget_rest(x: Record) -> None:
    """Begins to measure anew what the gyroscope reads at rest."""
    x["lately_for"] = x["turned_for"] = 0.0
    x["unrest"] = math.nan
    for i in range(3):
        x["lately"][i] = x["turned"][i] = 0.0


@compiled
def still(
    x: Record,
    cov: Float,
    known: Float,
    dx: Float,
    rows: Float,
    along: Float,
    since: float,
    event: Record,
    c: Record,
) -> bool:
    """Corrects by standstill; False where the IMU shows that wheels at rest slide."""
    k = np.empty(D.size)
    new, own = innovation(cov, rows[0], dx, -along[0], k)
    if not new * new <= c["gate"] * (own + c["still_speed"] * c["still_speed"]):
        return False
    count, speed = int(c["wheel_count"]), 0.0
    if c["wheel_offset_std"] == 0.0:  # else what it reads at rest is no speed
        for i in range(count):
            speed += event["wheel_speed"][i] / count
    noise = persistent(c["still_std"], c["constraint_time"], since)
    for i in range(3):
        new, own = innovation(cov, rows[i], dx, (speed if i == 0 else 0.0) - along[i], k)
        correct(cov, known, dx, rows[i], k, new, own, noise)
    rest(x, cov, dx, event["stamp"], c)
    return True


@compiled
def rest(x: Record, cov: Float, dx: Float, stamp: float, c: Record) -> None:
    """Corrects the gyroscope's bias by its mean over the rest, unless the car is carried.

    The newest part waits in `lately` until the wheels have stood for longer, by `BLOCK` where they
    are noisy: it may have begun to turn before they said so. A bias that was never learned may be
    larger than its standard deviation allows, up to `largest_bias`, as long as the gyroscope reads
    the same all the time.
    """
    x["resting"] = 1.0 if math.isnan(x["unrest"]) else 0.0
    seconds = x["lately_for"]
    if not seconds > 0.0 or (seconds < BLOCK and x["rim_noise"] > NO_NOISE):
        return
    seconds = x["turned_for"]
    if seconds > 0.0:
        noise = (c["gyro_noise"] ** 2 + c["rest_noise"] ** 2) / seconds
        steady, expected, learned = True, True, True
        for i in range(3):
            mean = x["turned"][i] / seconds
            variance = cov[D.gyro_bias + i, D.gyro_bias + i]
            off = mean - x["gyro_bias"][i]
            if off * off > c["gate"] * (variance + noise + c["still_rate_std"] ** 2):
                expected = False
            late = x["lately"][i] / x["lately_for"]
            apart = c["still_rate_std"] + 4.0 * c["gyro_noise"] / math.sqrt(x["lately_for"])
            if not (abs(late - mean) < apart and abs(mean) < c["largest_bias"]):
                steady = False
            if variance > 0.25 * c["gyro_bias_std"] ** 2:
                learned = False
        if not expected and steady:
            expected = not learned
            if math.isnan(x["unrest"]):
                x["unrest"] = stamp
            elif stamp - x["unrest"] > c["patience"]:
                expected = True
                for i in range(3):
                    off = x["turned"][i] / seconds - x["gyro_bias"][i]
                    cov[D.gyro_bias + i, D.gyro_bias + i] += off * off
        if expected:
            h, k = np.zeros(D.size), np.empty(D.size)
            for i in range(3):
                h[:] = 0.0
                h[D.gyro_bias + i] = 1.0
                off = x["turned"][i] / seconds - x["gyro_bias"][i]
                new, own = innovation(cov, h, dx, off, k)
                correct(cov, everything(), dx, h, k, new, own, noise)
            x["unrest"] = math.nan
        elif not steady:
            x["unrest"] = stamp
        x["resting"] = 1.0 if expected else 0.0
    for i in range(3):
        x["turned"][i] = x["lately"][i]
        x["lately"][i] = 0.0
    x["turned_for"], x["lately_for"] = x["lately_for"], 0.0


@compiled
def let_go(x: Record) -> None:
    """Gives back the turn that was left out lately, when the car no longer rests."""
    if x["held"] != 0.0:
        q, half = x["attitude"], 0.5 * x["held"]
        hamilton(math.cos(half), 0.0, 0.0, math.sin(half), q[0], q[1], q[2], q[3], q)
        x["held"] = 0.0


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
