"""Simulates rovers without GNSS: what their wheels and IMU read, and where they are.

The peer is dead reckoning by the mean of the wheels and the gyroscope, less its mean at rest.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_runtime.fusion.imu_units import GRAVITY
from edge_runtime.fusion.lie import so3_exp
from edge_runtime.fusion.measurement import Imu, Measurement, Wheels
from edge_runtime.fusion.wheeled.filter import WheeledFilter
from edge_runtime.fusion.wheeled.steps import yaw
from edge_runtime.signals import Float

FINE = 1000  # Hz, of the truth
RAMP = 1.0  # s to start and to stop


@dataclass(frozen=True)
class Rover:
    """Describes a rover, its drive and its sensors."""

    wheels: tuple[float, ...] = (0.25, -0.25)  # m, left of the middle
    imu: tuple[float, float] = (0.0, 0.0)  # m, before and left of the middle
    rest: float = 3.0  # s at first
    seconds: float = 117.0  # s of driving
    speed: float = 1.0  # m/s
    curves: float = 0.2  # rad/s
    stops: int = 0  # of 3 s
    bias: tuple[float, float, float] = (2e-4, -2e-4, -3e-4)  # rad/s
    gyro_noise: float = 2e-4  # rad/s/sqrt(Hz)
    accel_noise: float = 2e-3  # m/s^2/sqrt(Hz)
    accel_bias: tuple[float, float, float] = (0.05, -0.03, 0.02)  # m/s^2
    vibration: float = 0.0  # m/s^2 of each reading, while it drives
    bumps: float = 0.0  # rad of roll and pitch
    imu_rate: int = 100  # Hz
    wheel_rate: int = 50  # Hz
    wheel_noise: float = 0.01  # m/s
    slip: float = 0.0  # share by which a turn needs faster wheels
    turns_about: float = 0.0  # m before the middle


class Recording(NamedTuple):
    """Holds the readings of a rover by their stamps, and the truth of its IMU at 1 kHz."""

    readings: list[Measurement]
    stamp: Float  # (K,) s
    position: Float  # (K, 2) m
    heading: Float  # (K,) rad


class Path(NamedTuple):
    """Holds a path as it was estimated."""

    stamp: Float  # (K,) s
    position: Float  # (K, 2) m, of the IMU
    heading: Float  # (K,) rad


def drive_rover(rover: Rover, seed: int) -> Recording:
    """Drives a rover through random curves at a speed that varies."""
    rng = np.random.default_rng(seed)
    stamp = np.arange(round((rover.rest + rover.seconds) * FINE) + 1) / FINE
    phase, pace = rng.uniform(0.0, 2.0 * math.pi, 4), rng.uniform(0.03, 0.12, 3)
    gone = np.clip(stamp - rover.rest, 0.0, None)
    going = _smooth(gone / RAMP)
    for stop in range(rover.stops):
        middle = rover.rest + rover.seconds * (stop + 1) / (rover.stops + 1)
        going *= _smooth((np.abs(stamp - middle) - 1.5) / RAMP)
    waves = [np.sin(2.0 * math.pi * f * gone + a) for f, a in zip(pace, phase)]
    speed = rover.speed * going * (1.0 + 0.2 * waves[0])
    rate = rover.curves * going * (waves[1] + 0.5 * waves[2])
    heading = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1])) / FINE])
    c, s = np.cos(heading), np.sin(heading)
    side = -rover.turns_about * rate
    velocity = np.stack([speed * c - side * s, speed * s + side * c], axis=1)
    middle_at = np.concatenate([np.zeros((1, 2)), np.cumsum(velocity[1:] + velocity[:-1], axis=0)])
    x, y = rover.imu
    arm = np.stack([c * x - s * y, s * x + c * y], axis=1)
    position = 0.5 * middle_at / FINE + arm
    swing = rate[:, None] * np.stack([-arm[:, 1], arm[:, 0]], axis=1)
    push = np.gradient(velocity + swing, stamp, axis=0)
    lean = (
        rover.bumps
        * going[:, None]
        * np.sin(2.0 * math.pi * gone[:, None] * [0.31, 0.23] + phase[2:])
    )
    readings: list[Measurement] = []
    root = math.sqrt(rover.imu_rate)
    step = FINE // rover.imu_rate
    before = np.eye(3)
    for k in range(0, len(stamp), step):
        turn = so3_exp(np.array([0.0, 0.0, heading[k]])) @ so3_exp(np.array([*lean[k], 0.0]))
        last = max(k - step, 0)
        gyro = _rate(before, turn, step / FINE) if k else np.zeros(3)
        before = turn
        force = turn.T @ np.array([*push[k], GRAVITY])
        gyro = gyro + rover.bias + rover.gyro_noise * root * rng.standard_normal(3)
        force = force + rover.accel_bias + rover.accel_noise * root * rng.standard_normal(3)
        if speed[last] > 0.0:
            force = force + rover.vibration * rng.standard_normal(3)
        readings.append(Imu(float(stamp[k]), gyro, force))
    for k in range(FINE // 200, len(stamp), FINE // rover.wheel_rate):
        rims = speed[k] - (1.0 + rover.slip) * rate[k] * np.array(rover.wheels)
        if speed[k] > 0.0:
            rims = rims + rover.wheel_noise * rng.standard_normal(len(rims))
        readings.append(Wheels(float(stamp[k]), rims, 0.0))
    readings.sort(key=lambda m: m.stamp)
    return Recording(readings, stamp, position, heading)


def _smooth(share: Float) -> Float:
    kept = np.clip(share, 0.0, 1.0)
    return kept * kept * (3.0 - 2.0 * kept)


def _rate(before: Float, now: Float, seconds: float) -> Float:
    """Returns the mean rate in the body between two attitudes, rad/s, for small turns."""
    turned = before.T @ now
    skew = 0.5 * (turned - turned.T)
    return np.array([skew[2, 1], skew[0, 2], skew[1, 0]]) / seconds


def dead_reckoning(
    readings: list[Measurement], imu: tuple[float, float] = (0.0, 0.0), bias: float = 0.0
) -> Path:
    """Returns the path by the mean speed of the wheels and the gyroscope about the body's z.

    Args:
        readings: by their stamps.
        imu: m, its place before and left of the middle between the wheels.
        bias: rad/s, of the gyroscope.
    """
    stamps: list[float] = []
    places: list[Float] = []
    headings: list[float] = []
    heading = speed = rate = 0.0
    middle, last = np.zeros(2), math.nan
    for m in readings:
        if isinstance(m, Wheels):
            speed = float(np.mean(m.speed))
        elif isinstance(m, Imu):
            seconds = m.stamp - last if stamps else 0.0
            turned = (0.5 * (rate + m.gyro[2]) - bias) * seconds
            half = heading + 0.5 * turned
            middle = middle + speed * seconds * np.array([math.cos(half), math.sin(half)])
            heading, rate, last = heading + turned, float(m.gyro[2]), m.stamp
            c, s = math.cos(heading), math.sin(heading)
            stamps.append(m.stamp)
            arm = np.array([c * imu[0] - s * imu[1], s * imu[0] + c * imu[1]])
            places.append(middle + arm)
            headings.append(heading)
    return Path(np.array(stamps), np.array(places), np.array(headings))


def mean_at_rest(readings: list[Measurement], until: float) -> float:
    """Returns the mean of the gyroscope about z before that stamp, rad/s; 0 without a reading."""
    rates = [m.gyro[2] for m in readings if isinstance(m, Imu) and m.stamp < until]
    return float(np.mean(rates)) if rates else 0.0


def estimated_paths(car: WheeledFilter, readings: list[Measurement]) -> tuple[Path, Path]:
    """Returns the corrected and the continuous path by an estimator, after each IMU reading."""
    stamps: list[float] = []
    corrected: list[list[float]] = []
    continuous: list[list[float]] = []
    for m in readings:
        if not isinstance(m, Imu):
            car.update(m)
            continue
        car.predict(m)
        x, odometry = car.state, car.odometry
        stamps.append(m.stamp)
        corrected.append([*x["position"][:2], yaw(x["attitude"])])
        continuous.append([*odometry.position[:2], yaw(odometry.attitude)])
    both = (np.array(rows) for rows in (corrected, continuous))
    first, second = (Path(np.array(stamps), rows[:, :2], rows[:, 2]) for rows in both)
    return first, second


def path_error(path: Path, truth: Recording) -> float:
    """Returns the RMS distance from the truth, m, with the first place and heading made equal."""
    true = np.stack([np.interp(path.stamp, truth.stamp, axis) for axis in truth.position.T], axis=1)
    turn = float(np.interp(path.stamp[0], truth.stamp, truth.heading)) - path.heading[0]
    c, s = math.cos(turn), math.sin(turn)
    moved = (path.position - path.position[0]) @ np.array([[c, s], [-s, c]]) + true[0]
    return float(np.sqrt(np.mean(np.sum((moved - true) ** 2, axis=1))))


def largest_step(path: Path) -> float:
    """Returns the largest distance from one place to the next, m."""
    return float(np.linalg.norm(np.diff(path.position, axis=0), axis=1).max())
