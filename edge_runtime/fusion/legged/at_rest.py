"""Detects rest by the IMU alone, and averages the gyroscope's reading meanwhile.

A robot that hangs from its gantry or lies there shows the gyroscope's bias on all axes; one that
balances does not rest, and its feet creep. A body rests while neither sensor varies by more than
its own noise, over several windows in a row (as Skog, Handel, Nilsson, Rantakokko, "Zero-velocity
detection", IEEE TBME 57(11), 2010, who test the variance too).
"""

import numpy as np

from edge_runtime.fusion.compiled import Record, compiled
from edge_runtime.signals import Float

REST = np.dtype(  # the present window; of gyroscope and accelerometer, one after the other
    [
        ("seconds", "f8"),
        ("readings", "f8"),
        ("first", "f8", (6,)),  # reading, from which the others are counted
        ("sums", "f8", (6,)),
        ("squares", "f8", (6,)),
        ("rested", "f8"),  # windows of rest in a row, this one not among them
    ]
)
WINDOW = 0.5  # s
_FEWEST = 20  # readings, for a variance to mean something
_CONFIRMED = 2.0  # windows of rest, after which the next one is believed


@compiled
def add_to_window(window: Record, gyro: Float, accel: Float, dt: float) -> bool:
    """Takes in a reading.

    Args:
        window: one `REST`, changed in place.
        gyro: (3,) rad/s.
        accel: (3,) specific force, m/s^2.
        dt: s since the one before.

    Returns:
        Whether the window is over.
    """
    begins = window["readings"] == 0.0
    window["seconds"] += dt
    window["readings"] += 1.0
    for i in range(6):
        value = gyro[i] if i < 3 else accel[i - 3]
        if begins:
            window["first"][i] = value
        value -= window["first"][i]
        window["sums"][i] += value
        window["squares"][i] += value * value
    return window["seconds"] >= WINDOW


@compiled
def end_window(
    window: Record, gyro_noise: float, accel_noise: float, ratio: float, mean: Float
) -> bool:
    """Begins another window.

    Args:
        window: one `REST`, changed in place.
        gyro_noise: rad/s/sqrt(Hz).
        accel_noise: m/s^2/sqrt(Hz).
        ratio: the ratio of a variance to that of the noise, up to which it is rest.
        mean: (3,) rad/s, of the gyroscope over the window; written.

    Returns:
        Whether the body rested in this window and in those before.
    """
    count, rests = window["readings"], window["readings"] >= _FEWEST
    for i in range(6):
        average = window["sums"][i] / count
        variance = window["squares"][i] / count - average * average
        noise = gyro_noise if i < 3 else accel_noise
        rests = rests and variance * window["seconds"] < ratio * (noise * noise) * count
        if i < 3:
            mean[i] = window["first"][i] + average
        window["sums"][i] = 0.0
        window["squares"][i] = 0.0
    before = window["rested"]
    window["seconds"] = 0.0
    window["readings"] = 0.0
    window["rested"] = before + 1.0 if rests else 0.0
    return rests and before >= _CONFIRMED
