"""Makes up motions of every kind and what an IMU reads of them; VQF's defaults run beside ours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from vqf import VQF

from edge_runtime.fusion.attitude.filter import AttitudeConfig, AttitudeFilter
from edge_runtime.fusion.estimate import Health
from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.measurement import Imu, Magnetometer
from edge_runtime.replay.errors_against_reference import BOUNDS
from edge_runtime.rotations import multiply, rotation_matrix
from edge_runtime.signals import Bool, Float, Index

FIELD = np.array([0.0, 20.0, -43.0])  # uT


@dataclass(frozen=True)
class Motion:
    """Describes a kind of motion, and the sensors that see it."""

    rate: float = 0.0  # rad/s RMS of each axis
    turns: float = 0.8  # Hz, up to which the rate changes
    push: float = 0.0  # m/s^2 RMS of each axis
    pushes: float = 1.0  # Hz
    levels: float = 0.0  # 1/s by which a body that flies or walks returns to level
    still: float = 4.0  # s at rest before
    every: float = 0.0  # s of motion and of rest by turns; 0 for motion alone
    step: float = 0.0  # m/s^2 of an impact each 0.3 s
    yaw: tuple[float, float] = (0.0, 0.0)  # rad/s and Hz of a swing about the vertical
    hertz: float = 100.0
    bias: float = 0.01  # rad/s, of the gyroscope in a random direction
    clip: float = math.inf  # rad/s
    accel_clip: float = math.inf  # m/s^2
    magnet: float = 0.0  # uT of a disturbance for 15 s of every 30
    has_field: bool = True
    seconds: float = 40.0


@dataclass(frozen=True)
class Recording:
    """Holds what is read at each moment, and the truth, (K, ...)."""

    stamp: Float
    gyro: Float
    accel: Float
    field: Float | None
    attitude: Float  # wxyz


def record(motion: Motion, seed: int = 0) -> Recording:
    """Makes the readings of a motion."""
    rng = np.random.default_rng(seed)
    count = round(motion.seconds * motion.hertz)
    stamp = np.arange(count) / motion.hertz
    moves = np.clip(stamp - motion.still, 0.0, 1.0)
    if motion.every:
        phase = stamp % (2.0 * motion.every)
        moves = np.clip(np.minimum(phase - motion.every, 2.0 * motion.every - phase), 0.0, 1.0)
    rate = motion.rate * moves[:, None] * _smooth(rng, count, motion.turns / motion.hertz)
    swing, frequency = motion.yaw
    rate[:, 2] += moves * swing * np.sin(2.0 * math.pi * frequency * stamp + 0.2)
    path = _smooth(rng, count, motion.pushes / motion.hertz)
    force = np.gradient(np.gradient(path, axis=0), axis=0)
    force *= motion.push * moves[:, None] / max(float(force.std()), 1e-9)
    if motion.step:
        width = max(2, round(0.02 * motion.hertz))
        for begin in range(
            round(motion.still * motion.hertz), count - width, int(0.3 * motion.hertz)
        ):
            force[begin : begin + width, 2] += motion.step * rng.uniform(0.5, 1.5)
    attitude, rate = _integrate(rng, rate, motion.levels * moves, motion.hertz)
    into_body = np.swapaxes(rotation_matrix(attitude), 1, 2)
    bias = rng.standard_normal(3)
    gyro = (
        rate + motion.bias * bias / np.linalg.norm(bias) + 0.002 * rng.standard_normal(rate.shape)
    )
    accel = np.einsum("kij,kj->ki", into_body, force + np.array([0.0, 0.0, GRAVITY]))
    accel += 0.05 * rng.standard_normal(3) + 0.03 * rng.standard_normal(accel.shape)
    field = None
    if motion.has_field:
        bent = motion.magnet * ((stamp // 15.0) % 2.0 == 1.0)[:, None] * [1.0, 0.3, 0.5]
        field = np.einsum("kij,kj->ki", into_body, FIELD + bent)
        field += 0.2 * rng.standard_normal(field.shape)
    return Recording(
        stamp,
        np.clip(gyro, -motion.clip, motion.clip),
        np.clip(accel, -motion.accel_clip, motion.accel_clip),
        field,
        attitude,
    )


def _smooth(rng: np.random.Generator, count: int, cutoff: float) -> Float:
    """Returns noise below a frequency, relative to that of the samples, (K, 3) of RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal((count, 3)), axis=0)
    frequency = np.fft.rfftfreq(count)[:, None]
    noise = np.fft.irfft(spectrum / (1.0 + (frequency / cutoff) ** 4), count, axis=0)
    unit: Float = noise / noise.std(axis=0)
    return unit


def _integrate(
    rng: np.random.Generator, rate: Float, levels: Float, hertz: float
) -> tuple[Float, Float]:
    rate = rate.copy()
    attitude = np.empty((len(rate), 4))
    tilt, heading = rng.uniform(-0.1, 0.1, 2), rng.uniform(-math.pi, math.pi) / 2.0
    w, x, y, z = math.cos(heading), *tilt, math.sin(heading)
    for k in range(len(rate)):
        if levels[k]:  # towards level: by the cross product of the body's up and the world's
            rate[k, 0] -= levels[k] * 2.0 * (w * x + y * z)
            rate[k, 1] += levels[k] * 2.0 * (x * z - w * y)
        i, j, n = (rate[k] / (2.0 * hertz)).tolist()
        angle = math.sqrt(i * i + j * j + n * n)
        c, s = math.cos(angle), math.sin(angle) / angle if angle > 1e-9 else 1.0
        i, j, n = s * i, s * j, s * n
        w, x, y, z = (
            w * c - x * i - y * j - z * n,
            w * i + x * c + y * n - z * j,
            w * j - x * n + y * c + z * i,
            w * n + x * j - y * i + z * c,
        )
        size = math.sqrt(w * w + x * x + y * y + z * z)
        w, x, y, z = w / size, x / size, y / size, z / size
        attitude[k] = w, x, y, z
    return attitude, rate


@dataclass(frozen=True)
class Judged:
    """Holds what an estimator said along a recording, and how wrong it was."""

    stamp: Float
    health: Index
    reasons: Sequence[str]
    inclination: Float  # rad, of ours
    peer: Float  # rad, of VQF's defaults
    nees: Float  # normalized squared error of the whole attitude, or of the tilt without a field
    freedom: int

    @property
    def good(self) -> Bool:
        """Returns where it said GOOD, (K,)."""
        good: Bool = self.health == Health.GOOD
        return good

    @property
    def within(self) -> float:
        """Returns the share of time within the upper 95 % bound, or not said to be GOOD."""
        return float(np.mean(~self.good | (self.nees <= BOUNDS[self.freedom][1])))

    def rms(self, inclination: Float) -> float:
        """Returns the RMS of inclinations while GOOD, degrees; 0 if it never is."""
        good = inclination[self.good]
        return math.degrees(math.sqrt(float(np.mean(good**2)))) if len(good) else 0.0


def judge(seen: Recording, config: AttitudeConfig | None = None, every: int = 10) -> Judged:
    """Runs our filter and VQF's defaults."""
    filter_ = AttitudeFilter(config or AttitudeConfig(delay=0.0))
    kept, estimates = [], []
    for k, stamp in enumerate(seen.stamp.tolist()):
        filter_.predict(Imu(stamp, seen.gyro[k], seen.accel[k]))
        if seen.field is not None:
            filter_.update(Magnetometer(stamp, seen.field[k]))
        if k % every == every - 1:
            kept.append(k)
            estimates.append(filter_.estimate)
    peer = VQF(float(seen.stamp[1] - seen.stamp[0]))
    if seen.field is None:
        theirs = peer.updateBatch(seen.gyro, seen.accel)["quat6D"][kept]
    else:
        theirs = peer.updateBatch(seen.gyro, seen.accel, seen.field)["quat9D"][kept]
    attitude = np.array([e.attitude for e in estimates])
    rotation, inclination = _errors(seen.attitude[kept], attitude)
    freedom = 2 if seen.field is None else 3
    variance = np.array([np.diag(e.covariance)[:freedom] for e in estimates])
    return Judged(
        stamp=seen.stamp[kept],
        health=np.array([int(e.health) for e in estimates]),
        reasons=[e.reason for e in estimates],
        inclination=inclination,
        peer=_errors(seen.attitude[kept], theirs)[1],
        nees=np.sum(rotation[:, :freedom] ** 2 / variance, axis=1),
        freedom=freedom,
    )


def _errors(truth: Float, attitude: Float) -> tuple[Float, Float]:
    """Returns rotation vectors in the world and inclinations, rad, of truth over estimate."""
    off = multiply(truth, attitude * [1.0, -1.0, -1.0, -1.0])
    off *= np.where(off[:, :1] < 0.0, -1.0, 1.0)
    sine = np.linalg.norm(off[:, 1:], axis=1, keepdims=True)
    vector = off[:, 1:] * 2.0 * np.arctan2(sine, off[:, :1]) / np.maximum(sine, 1e-12)
    return vector, 2.0 * np.arccos(np.clip(np.hypot(off[:, 0], off[:, 3]), 0.0, 1.0))


MOTIONS = {
    "by hand": Motion(rate=2.0, push=2.0),
    "by hand, consumer's bias": Motion(rate=2.0, push=2.0, bias=0.08),
    "by hand, consumer's bias, no rest": Motion(rate=2.0, push=2.0, bias=0.06, still=0.0),
    "by hand, without a field": Motion(rate=2.0, push=2.0, bias=0.05, has_field=False),
    "by hand, 50 Hz": Motion(rate=1.5, push=1.0, hertz=50.0),
    "by hand, clipped at 3 rad/s": Motion(rate=2.0, push=1.0, clip=3.0),
    "by hand, clipped at 4.36 rad/s": Motion(rate=2.5, push=1.0, clip=4.36, hertz=200.0),
    "flying": Motion(rate=0.4, turns=0.7, push=1.0, pushes=0.3, levels=0.8, hertz=200.0),
    "flying, consumer's bias": Motion(
        rate=0.4, turns=0.7, push=1.0, pushes=0.3, levels=0.8, hertz=200.0, bias=0.1
    ),
    "flying past magnets": Motion(
        rate=0.4, turns=0.7, push=1.0, pushes=0.3, levels=0.8, hertz=200.0, magnet=30.0
    ),
    "walking": Motion(rate=0.4, turns=2.0, push=1.5, pushes=2.0, levels=0.8, step=15.0),
    "walking, clipped at 2 g": Motion(
        rate=0.4, turns=2.0, push=1.5, pushes=2.0, levels=0.8, step=15.0, accel_clip=19.6, bias=0.03
    ),
    "shaken": Motion(rate=3.0, turns=4.0, push=5.0, pushes=4.0, hertz=400.0, seconds=25.0),
    "shaken, clipped at 7.36 rad/s": Motion(
        rate=4.0, turns=3.0, push=3.0, pushes=3.0, hertz=200.0, clip=7.36, has_field=False
    ),
    "resting by turns": Motion(rate=1.5, turns=1.0, push=2.0, every=7.0, bias=0.06, hertz=50.0),
    "turning to and fro": Motion(yaw=(2.0, 0.5), still=0.0),
    "turning slowly": Motion(yaw=(0.175, 0.05), still=0.0),
    "turning slowly, without a field": Motion(yaw=(0.175, 0.05), still=0.0, has_field=False),
    "resting": Motion(bias=0.08, has_field=False),
}
"""Like RepoIMU (by hand), EuRoC (flying) and what befalls robots."""
