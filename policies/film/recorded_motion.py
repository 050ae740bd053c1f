"""Reads the motion that `sim2edge run --record` wrote, and shows it again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import COMMAND, Float
from sim.envs.vector_env import TaskVectorEnv
from sim.tasks.task import Task


@dataclass(frozen=True)
class RecordedMotion:
    """Holds the state after each of T control periods, as `sim2edge run --record` wrote it."""

    qpos: Float  # (T, nq)
    qvel: Float  # (T, nv)
    command: Float  # (C,), or (0,) for zeros


def read_motion(path: Path, env: TaskVectorEnv) -> RecordedMotion:
    """Reads a recording of a robot in that world.

    Raises:
        UserError: it is none.
    """
    robot, model = env.config.robot.name, env.engine.model
    if not path.is_file():
        raise UserError(f"{path} does not exist; 'sim2edge run POLICY --record {path}' makes it")
    try:
        with np.load(path) as file:
            names = ("qpos", "qvel", "command")
            qpos, qvel, command = (np.asarray(file[name], np.float64) for name in names)
    except Exception:  # numpy, zipfile and zlib each have their own
        raise UserError(f"{path} is damaged or no recording of 'sim2edge run --record'") from None
    if not len(qpos):
        raise UserError(f"{path} holds no motion; record for longer")
    sizes = (qpos.shape[1:], qvel.shape, command.shape)
    wanted = ((model.nq,), (len(qpos), model.nv))
    if sizes[:2] != wanted or sizes[2] not in ((0,), (len(env.config.commands),)):
        raise UserError(f"{path} is no recording of {robot}, which moves in {model.nq} coordinates")
    if not all(np.isfinite(array).all() for array in (qpos, qvel, command)):
        raise UserError(f"{path} holds numbers that are not finite; record anew")
    return RecordedMotion(qpos, qvel, command)


def replay(motion: RecordedMotion, env: TaskVectorEnv) -> Iterator[Task]:
    """Puts the robot where it was after each control period, and yields the task each time."""
    if len(motion.command):
        env.signals[COMMAND][:] = motion.command
    else:
        env.signals[COMMAND][:] = 0.0
    robot = np.zeros(1, np.intp)
    for qpos, qvel in zip(motion.qpos, motion.qvel):
        env.engine.reset(robot, qpos[None], qvel[None], constants_changed=False)
        env.task.sense(None)
        env.task.observe(None)
        yield env.task
