"""Simulates robots in MuJoCo and in Bullet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mujoco
import numpy as np

from edge_runtime.signals import Float
from sim.engines.choice import make_engine
from sim.engines.engine import Engine
from sim.robots.humanoid import humanoid
from sim.robots.robot import SimRobot
from sim.robots.vehicle import vehicle

HUMANOID, VEHICLE = humanoid(0.3), vehicle()

SIDES = ("left", "right")

ROBOTS = {"humanoid": HUMANOID, "vehicle": VEHICLE}


def load(robot: SimRobot) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(robot.model))


@contextmanager
def both(model: mujoco.MjModel, rows: int = 1, substeps: int = 1) -> Iterator[list[Engine]]:
    """MuJoCo's engine and Bullet's."""
    engines = [
        make_engine(name, model, rows, substeps=substeps, threads=1)
        for name in ("mujoco", "bullet")
    ]
    try:
        yield engines
    finally:
        for engine in engines:
            engine.close()


@contextmanager
def bullet(model: mujoco.MjModel, rows: int = 1, **options: Any) -> Iterator[Engine]:
    engine = make_engine("bullet", model, rows, **({"substeps": 1, "threads": 1} | options))
    try:
        yield engine
    finally:
        engine.close()


def place(engine: Engine, qpos: Float, qvel: Float | None = None) -> None:
    rows, model = engine.rows, engine.model
    qvel = np.zeros(model.nv) if qvel is None else qvel
    states = np.tile(qpos, (rows, 1)), np.tile(qvel, (rows, 1))
    engine.reset(np.arange(rows), *states, constants_changed=True)


def hold(engine: Engine, control: Float, seconds: float) -> None:
    """Step with one command."""
    inputs = np.tile(control, (engine.rows, engine.substeps, 1))
    for _ in range(round(seconds / engine.model.opt.timestep / engine.substeps)):
        engine.step(inputs)


def anywhere(model: mujoco.MjModel, rng: np.random.Generator) -> Float:
    """qpos high above the ground, within all limits."""
    qpos = model.qpos0.copy()
    quaternion = rng.normal(size=4)
    qpos[2], qpos[3:7] = 3.0, quaternion / np.linalg.norm(quaternion)
    for joint in range(1, model.njnt):
        low, high = model.jnt_range[joint] if model.jnt_limited[joint] else (-3.0, 3.0)
        qpos[model.jnt_qposadr[joint]] = low + (high - low) * rng.uniform(0.2, 0.8)
    return qpos


def standing(model: mujoco.MjModel) -> tuple[Float, Float]:
    """qpos of the humanoid just above the ground in its default pose, and that pose's command."""
    qpos, command = model.qpos0.copy(), np.array([a.default for a in HUMANOID.actuators])
    qpos[[model.joint(a.name).qposadr[0] for a in HUMANOID.actuators]] = command
    qpos[2] = 0.742
    return qpos, command
