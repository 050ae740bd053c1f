"""Describes the worlds that one process of the Bullet engine simulates."""

from dataclasses import dataclass

import mujoco

from sim.engines.bullet.shared_arrays import Layout


@dataclass(frozen=True)
class WorkerJob:
    """Describes the worlds of one process."""

    model: mujoco.MjModel
    urdf: str
    folder: str  # for its files
    layout: Layout  # of the arrays of all worlds
    rows: slice  # its own among all worlds
    inner: int  # Bullet's steps within a physics step
