"""Reads a simulated Cassie biped's walk, which has no noise, and adds noise by seed.

Data of Hartley, Ghaffari, Eustice, Grizzle, "Contact-aided invariant extended Kalman filtering for
legged robot state estimation", RSS 2018. An .npz of equally long arrays: `t` s; `gyro` rad/s,
`accel` m/s^2 specific force; `contact` (N, 2); `foot_in_imu` (N, 2, 3) m by kinematics; true
`R_world_imu` (N, 3, 3), `v_world`, `p_world`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.fusion.lie import matrix_to_quaternion
from edge_runtime.fusion.measurement import Feet, Imu, Measurement
from edge_runtime.replay.readers import Log, Reference
from edge_runtime.replay.readers.arrays import Arrays, equally_long, load_arrays
from edge_runtime.signals import Float

_ROWS = {
    "t": (),
    "gyro": (3,),
    "accel": (3,),
    "contact": (2,),
    "foot_in_imu": (2, 3),
    "R_world_imu": (3, 3),
    "v_world": (3,),
    "p_world": (3,),
}
_FIRST = 400  # sample; before it the robot is being set down


@dataclass(frozen=True)
class CassieNoise:
    """Sets the noise added to the ideal readings: for each sample, and for the whole walk."""

    gyro: float = 0.002
    """rad/s, standard deviation of each reading."""
    accel: float = 0.04
    """m/s^2, likewise."""
    foot: float = 0.005
    """m, likewise, of each coordinate."""
    gyro_bias: float = 0.01
    """rad/s on each axis, of random sign."""
    accel_bias: float = 0.05
    """m/s^2 on each axis, likewise."""


def is_cassie(data: Arrays) -> bool:
    """Returns whether the arrays are of such a walk."""
    return "foot_in_imu" in data


def read_cassie(path: Path, noise: CassieNoise = CassieNoise(), seed: int = 0) -> Log:
    """Reads a walk and adds noise.

    Raises:
        UserError: it is not there, damaged, or no such walk.
    """
    rows = equally_long(path, "walk of Cassie", load_arrays(path), _ROWS)
    if len(rows["t"]) <= _FIRST:
        raise UserError(f"'{path}' is too short: its first {_FIRST} samples are not used")
    stamps, gyro, accel, contact, feet, rotation, velocity, position = (
        values[_FIRST:] for values in rows.values()
    )
    rng = np.random.default_rng(seed)
    gyro = _noisy(gyro, noise.gyro, noise.gyro_bias, rng)
    accel = _noisy(accel, noise.accel, noise.accel_bias, rng)
    feet = _noisy(feet, noise.foot, 0.0, rng)
    measurements: list[Measurement] = []
    for stamp, *readings in zip(stamps.tolist(), gyro, accel, feet, contact):
        rate, force, places, probability = readings
        measurements += (Imu(stamp, rate, force), Feet(stamp, places, probability))
    attitude = np.array([matrix_to_quaternion(matrix) for matrix in rotation])
    return Log(
        measurements=measurements,
        arrivals=np.repeat(stamps, 2),
        reference=Reference(stamps, attitude, velocity, position),
        name=path.stem,
        estimator="legged",
    )


def _noisy(ideal: Float, std: float, bias: float, rng: np.random.Generator) -> Float:
    offset = bias * rng.choice([-1.0, 1.0], ideal.shape[-1])
    return ideal + offset + std * rng.standard_normal(ideal.shape)
