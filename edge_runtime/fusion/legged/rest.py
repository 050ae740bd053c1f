"""Whether the body rests, by the IMU alone, and what its gyroscope then reads on average.

A robot that hangs from its gantry or lies there shows the gyroscope's bias on all axes; one that
balances does not rest, and its feet creep. A body rests while neither sensor varies by more than
its own noise, over several windows in a row (as Skog, Handel, Nilsson, Rantakokko, "Zero-velocity
detection", IEEE TBME 57(11), 2010, who test the variance too).
"""

from edge_runtime.fusion.compiled import compiled
from edge_runtime.fusion.measurement import Float

# The record of the present window.
SECONDS = 0
READINGS = 1
FIRST = 2  # (6,) reading of gyroscope and accelerometer, from which the others are counted
SUMS = 8  # (6,)
SQUARES = 14  # (6,)
RESTED = 20  # windows of rest in a row, this one not among them
REST = 21

WINDOW = 0.5  # s
_FEWEST = 20  # readings, for a variance to mean something
_CONFIRMED = 2.0  # windows of rest, after which the next one is believed


@compiled
def add_to_window(record: Float, reading: Float, dt: float) -> bool:
    """Take in a reading; whether the window is over.

    Args:
        record: (REST,), changed in place.
        reading: (2, 3) gyroscope, rad/s, and specific force, m/s^2.
        dt: s since the one before.
    """
    if record[READINGS] == 0.0:
        for i in range(6):
            record[FIRST + i] = reading[i // 3, i % 3]
    record[SECONDS] += dt
    record[READINGS] += 1.0
    for i in range(6):
        value = reading[i // 3, i % 3] - record[FIRST + i]
        record[SUMS + i] += value
        record[SQUARES + i] += value * value
    return record[SECONDS] >= WINDOW


@compiled
def end_window(record: Float, noise: Float, ratio: float, mean: Float) -> bool:
    """Begin another window; whether the body rested in this one and in those before.

    Args:
        record: (REST,), changed in place.
        noise: squared spectral densities of gyro and accel, first.
        ratio: of a variance to that of the noise, up to which it is rest.
        mean: (3,) rad/s, of the gyroscope over the window; written.
    """
    count, rests = record[READINGS], record[READINGS] >= _FEWEST
    for i in range(6):
        average = record[SUMS + i] / count
        variance = record[SQUARES + i] / count - average * average
        rests = rests and variance * record[SECONDS] < ratio * noise[i // 3] * count
        if i < 3:
            mean[i] = record[FIRST + i] + average
    before = record[RESTED]
    record[:RESTED] = 0.0
    record[RESTED] = before + 1.0 if rests else 0.0
    return rests and before >= _CONFIRMED
