"""Corrects the wheeled filter at rest: by its standstill, and by what the gyroscope reads then."""

import math

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.fusion.wheeled.equations import (
    correct,
    everything,
    hamilton,
    innovation,
    persistent,
)
from edge_runtime.fusion.wheeled.state import D
from edge_runtime.signals import Float

BLOCK = 0.1  # s at rest after which the gyroscope's readings before are believed to be at rest
DEPARTING, NO_NOISE = 25.0, 1e-5  # so many variances, and (m/s)^2, beside a wheel's mean at rest
CREEPING = 0.02  # m/s; a wheel that is faster on average does not stand


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
