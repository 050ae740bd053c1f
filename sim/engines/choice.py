"""Makes the engines under `TaskVectorEnv` by name."""

import importlib.util
from collections.abc import Callable

import mujoco

from edge_runtime.errors import UserError
from edge_runtime.extras import install_line
from sim.engines.bullet.bullet_engine import BulletEngine
from sim.engines.engine import Engine
from sim.engines.mujoco_cpu import MujocoEngine

MUJOCO, BULLET = "mujoco", "bullet"
TITLES = {MUJOCO: "MuJoCo", BULLET: "PyBullet"}  # as people write them


def _mujoco(model: mujoco.MjModel, rows: int, substeps: int, threads: int) -> Engine:
    return MujocoEngine(model, rows, substeps=substeps, threads=threads)


def _bullet(model: mujoco.MjModel, rows: int, substeps: int, threads: int) -> Engine:
    if importlib.util.find_spec("pybullet") is None:
        raise UserError(f"the engine 'bullet' needs PyBullet: {install_line('bullet')}")
    return BulletEngine(model, rows, substeps=substeps, processes=threads)


ENGINES: dict[str, Callable[[mujoco.MjModel, int, int, int], Engine]] = {
    MUJOCO: _mujoco,
    BULLET: _bullet,
}


def make_engine(
    name: str, model: mujoco.MjModel, rows: int, *, substeps: int, threads: int = 0
) -> Engine:
    """Makes an engine by name.

    Args:
        name: one of `ENGINES`.
        model: robot and ground.
        rows: N.
        substeps: physics steps per `step`.
        threads: number of threads or processes, 0 for all cores.

    Raises:
        UserError: no engine has this name, it is not installed, or it cannot simulate the model.
    """
    if name not in ENGINES:
        raise UserError(f"unknown engine '{name}'; there are: {', '.join(ENGINES)}")
    return ENGINES[name](model, rows, substeps, threads)
