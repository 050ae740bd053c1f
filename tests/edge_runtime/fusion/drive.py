"""A car on flat ground, made up: what is true, and what its sensors read."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.fusion.measurement import GnssFix, Imu, Measurement, Wheels
from edge_runtime.fusion.wheeled.config import WheeledConfig
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.signals import Float

CAR = WheeledConfig(
    wheels=((2.6, 0.8), (2.6, -0.8), (0.0, 0.8), (0.0, -0.8)),
    rear_axle=(-1.2, 0.1, -0.4),
    antenna=(0.3, 0.0, 0.9),
    wheelbase=2.6,
    understeer=0.0,
    gyro_noise=0.001,
    accel_noise=0.01,
    mount_std=0.001,
    wander_std=0.5,
    velocity_time=0.0,
)
GYRO_BIAS = np.array([0.01, -0.008, 0.012])
ACCEL_BIAS = np.array([0.1, -0.1, 0.05])
SCALE = 1.015
IMU_RATE, WHEEL_RATE, GNSS_RATE = 100, 50, 5


@dataclass(frozen=True)
class Truth:
    """At the IMU, at `stamp` (K,)."""

    stamp: Float
    heading: Float
    velocity: Float  # (K, 3)
    position: Float  # (K, 3)


@dataclass(frozen=True)
class Drive:
    measurements: list[Measurement]  # by stamp
    truth: Truth

    def without(self, kind: type, start: float, end: float = math.inf) -> "Drive":
        """Leave a kind of measurement out for a while."""
        return self.changed(kind, lambda m: None, start, end)

    def changed(
        self,
        kind: type,
        change: Callable[[Measurement], Measurement | None],
        start: float,
        end: float = math.inf,
    ) -> "Drive":
        """Change a kind of measurement for a while; None leaves it out."""
        changed = [
            change(m) if isinstance(m, kind) and start <= m.stamp < end else m
            for m in self.measurements
        ]
        return replace(self, measurements=[m for m in changed if m is not None])


def drive(
    seconds: float,
    speed: Callable[[Float], Float] = lambda t: 8.0 + 3.0 * np.sin(0.4 * t),
    yaw_rate: Callable[[Float], Float] = lambda t: 0.15 * np.sin(0.3 * t),
    heading: float = 0.7,
    seed: int = 0,
    velocity: bool = True,
    noise: float = 1.0,
) -> Drive:
    """A drive with biases, a wrong wheel scale and slowly wandering fixes.

    Args:
        speed: m/s of the rear axle.
        yaw_rate: rad/s.
        heading: rad at the start, from east.
        velocity: whether GNSS gives it.
        noise: 0 for none.
    """
    rng = np.random.default_rng(seed)
    fine = 10 * IMU_RATE
    t = np.arange(round(seconds * fine) + 1) / fine
    v, w = speed(t), yaw_rate(t)
    psi = heading + np.concatenate([[0.0], np.cumsum(0.5 * (w[1:] + w[:-1])) / fine])
    c, s = np.cos(psi), np.sin(psi)
    rates = np.stack([v * c, v * s, np.zeros_like(v)], axis=1)
    steps = 0.5 * (rates[1:] + rates[:-1]) / fine
    axle = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])

    def place(lever: Float) -> tuple[Float, Float]:
        """Position and velocity of a point in the body, away from the rear axle."""
        x, y, z = lever
        arm = np.stack([c * x - s * y, s * x + c * y, np.full_like(c, z)], axis=1)
        swing = np.stack([-arm[:, 1] * w, arm[:, 0] * w, np.zeros_like(w)], axis=1)
        return axle + arm, rates + swing

    to_imu = -np.array(CAR.rear_axle)
    position, velocity_imu = place(to_imu)
    antenna, velocity_antenna = place(to_imu + np.array(CAR.antenna))
    push = np.gradient(velocity_imu, t, axis=0) + np.array([0.0, 0.0, 9.80665])
    force = np.stack(
        [c * push[:, 0] + s * push[:, 1], c * push[:, 1] - s * push[:, 0], push[:, 2]], axis=1
    )
    made: list[Measurement] = []
    every = fine // IMU_RATE
    root = math.sqrt(IMU_RATE)
    for k in range(0, len(t), every):
        gyro = np.array([0.0, 0.0, w[k]]) + GYRO_BIAS
        gyro = gyro + noise * CAR.gyro_noise * root * rng.standard_normal(3)
        accel = force[k] + ACCEL_BIAS + noise * CAR.accel_noise * root * rng.standard_normal(3)
        made.append(Imu(float(t[k]), gyro, accel))
    for k in range(every // 2, len(t), fine // WHEEL_RATE):
        rims = [math.copysign(math.hypot(v[k] - w[k] * y, w[k] * x), v[k]) for x, y in CAR.wheels]
        rims = SCALE * np.array(rims) + noise * 0.02 * rng.standard_normal(4)
        steering = math.atan2(CAR.wheelbase * w[k], v[k]) if v[k] > 0.5 else 0.0
        made.append(Wheels(float(t[k]), rims, steering))
    wander = noise * 0.5 * rng.standard_normal(3)
    for k in range(every // 3, len(t), fine // GNSS_RATE):
        keep = math.exp(-1.0 / GNSS_RATE / CAR.wander_time)
        wander = keep * wander + noise * 0.5 * math.sqrt(1 - keep**2) * rng.standard_normal(3)
        fix = antenna[k] + wander + noise * 0.1 * rng.standard_normal(3)
        rate = velocity_antenna[k] + noise * 0.1 * rng.standard_normal(3)
        made.append(GnssFix(float(t[k]), fix, np.full(3, 0.1), rate if velocity else None, 0.1))
    made.sort(key=lambda m: m.stamp)
    kept = slice(None, None, every)
    return Drive(made, Truth(t[kept], psi[kept], velocity_imu[kept], position[kept]))


def feed(estimator: WheeledFilter, measurements: list[Measurement]) -> list[bool]:
    """Give everything in this order; whether each other than the IMU's was believed."""
    believed = []
    for m in measurements:
        if isinstance(m, Imu):
            estimator.predict(m)
        else:
            believed.append(estimator.update(m))
    return believed


def numbers(car: WheeledFilter) -> Float:
    """The newest state of a filter, one number after another."""
    return np.frombuffer(car.state.tobytes())


def truth_at(truth: Truth, stamp: float) -> tuple[float, Float, Float]:
    """Heading, velocity and position at a moment, interpolated."""

    def between(values: Float) -> Float:
        return np.array([np.interp(stamp, truth.stamp, column) for column in values.T])

    heading = float(np.interp(stamp, truth.stamp, truth.heading))
    return heading, between(truth.velocity), between(truth.position)
