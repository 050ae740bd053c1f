"""What a process of the Bullet engine needs to know of its share of the worlds."""

from dataclasses import dataclass

import mujoco

from sim.engines.bullet.shared_arrays import Layout


@dataclass(frozen=True)
class WorkerJob:
    """The worlds of one process."""

    model: mujoco.MjModel
    urdf: str
    folder: str  # for its files
    layout: Layout  # of the arrays of all worlds
    rows: slice  # of all worlds, which are its own
    inner: int  # Bullet's steps within a physics step
