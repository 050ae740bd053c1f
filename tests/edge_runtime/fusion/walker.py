"""A synthetic biped whose truth is known in closed form, and its sensors' readings."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge_runtime.fusion.lie import matrix_to_quaternion, so3_exp, so3_log
from edge_runtime.fusion.measurement import Feet, Imu
from edge_runtime.signals import Float

GRAVITY = np.array([0.0, 0.0, -9.80665])


@dataclass
class Moment:
    """The truth and what is read at one time."""

    stamp: float
    rotation: Float
    velocity: Float
    position: Float
    imu: Imu
    feet: Feet


@dataclass(frozen=True)
class Walker:
    """Steps on the spot of its planted feet while the body sways and advances."""

    rate: float = 200.0  # Hz
    seconds: float = 6.0
    speed: float = 0.4  # m/s forward; 0 stands
    sway: float = 1.0  # times the usual
    gyro_std: float = 0.002
    accel_std: float = 0.02
    foot_std: float = 0.003
    gyro_bias: tuple[float, float, float] = (0.008, -0.006, 0.004)
    accel_bias: tuple[float, float, float] = (0.03, -0.02, 0.04)
    seed: int = 0

    def position(self, t: float) -> Float:
        w = 2 * np.pi * 1.2
        wave = [0.02 * np.sin(2 * w * t), 0.03 * np.sin(w * t), 0.015 * np.cos(2 * w * t)]
        return np.array([self.speed * t, 0.0, 0.8]) + self.sway * np.array(wave)

    def rotation(self, t: float) -> Float:
        w = 2 * np.pi * 1.2
        turn = [0.05 * np.sin(w * t), 0.04 * np.cos(2 * w * t), 0.1 * np.sin(0.5 * w * t)]
        return so3_exp(self.sway * np.array(turn))

    def foot(self, t: float, side: int) -> tuple[Float, float]:
        """Where a foot is in the world, and its probability of contact."""
        phase = t * 1.2 + 0.5 * side
        step, part = np.floor(phase), phase % 1.0
        stride = self.speed / 1.2
        planted = (step - 0.5 * side + 0.3) * stride
        lateral = 0.1 if side == 0 else -0.1
        if self.speed == 0.0 or part < 0.6:
            return np.array([planted, lateral, 0.0]), 1.0
        swing = (part - 0.6) / 0.4
        return np.array([planted + swing * stride, lateral, 0.05 * np.sin(np.pi * swing)]), 0.0

    def walk(self) -> Iterator[Moment]:
        rng = np.random.default_rng(self.seed)
        dt, h = 1.0 / self.rate, 1e-4
        for index in range(round(self.seconds * self.rate)):
            t = index * dt
            # What an IMU that integrates over its period reads, by differences of the truth.
            before, now = self.rotation(t - dt), self.rotation(t)
            gyro = so3_log(before.T @ now) / dt
            velocity = (self.position(t + h) - self.position(t - h)) / (2 * h)
            earlier = (self.position(t - dt + h) - self.position(t - dt - h)) / (2 * h)
            middle = self.rotation(t - 0.5 * dt)
            accel = middle.T @ ((velocity - earlier) / dt - GRAVITY)
            gyro = gyro + self.gyro_bias + rng.normal(0, self.gyro_std, 3)
            accel = accel + self.accel_bias + rng.normal(0, self.accel_std, 3)
            feet, contact = zip(*(self.foot(t, side) for side in (0, 1)))
            seen = (np.array(feet) - self.position(t)) @ now
            seen += rng.normal(0, self.foot_std, seen.shape)
            yield Moment(
                t,
                now,
                velocity,
                self.position(t),
                Imu(t, gyro, accel),
                Feet(t, seen, np.array(contact)),
            )


def errors(estimate, moment) -> tuple[float, float]:
    """Tilt, rad, and velocity in the body frame, m/s, of an estimate against the truth."""
    from edge_runtime.fusion.lie import quaternion_to_matrix

    rotation = quaternion_to_matrix(estimate.attitude)
    tilt = np.arccos(np.clip(rotation[2] @ moment.rotation[2], -1.0, 1.0))
    in_body = rotation.T @ estimate.velocity - moment.rotation.T @ moment.velocity
    return float(tilt), float(np.linalg.norm(in_body))


def tilted(moment: Moment, tilt: float) -> Float:
    """The attitude, wxyz, off by a tilt about the world's x axis."""
    return matrix_to_quaternion(so3_exp(np.array([tilt, 0.0, 0.0])) @ moment.rotation)
