"""Registers the tasks as Gymnasium ids: `gymnasium.make("sim:sim2edge/HumanoidVelocity-v0")`.

Importing `sim` registers them. Gymnasium 1.0 gave up loading plugins by itself; whatever still
reads its entry point `gymnasium.envs` finds `register_tasks` there.
"""

import re
from typing import Any

import gymnasium
from gymnasium.envs.registration import register, registry

from sim.tasks import TASKS, find_task
from sim.tasks.protocols import BatchEnv

_VERSION = re.compile(r"-v\d+$")


def register_tasks() -> None:
    """Registers every task there is, and each that is registered from now on, once."""
    for name in TASKS:
        _register(name)
    TASKS.observers.append(_register)


def id_of(task: str) -> str:
    """Returns the Gymnasium id of a task: `sim2edge/NAME-v0`, or `sim2edge/NAME` if it has a
    version."""
    return f"sim2edge/{task}" if _VERSION.search(task) else f"sim2edge/{task}-v0"


def _register(task: str) -> None:
    if id_of(task) in registry:
        return
    register(
        id=id_of(task),
        entry_point="sim.envs.registration:make_environment",
        vector_entry_point="sim.envs.registration:make_vector_environment",
        kwargs={"task": task},
    )


def make_environment(
    task: str, render_mode: str | None = None, **fields: Any
) -> gymnasium.Env[Any, Any]:
    """Makes one simulation; `fields` replace those of the task's config."""
    from sim.envs.environment import TaskEnv  # noqa: PLC0415  ids need no simulator

    return TaskEnv(find_task(task, **fields), render_mode)


def make_vector_environment(
    task: str, num_envs: int = 1, seed: int = 0, threads: int = 0, **fields: Any
) -> BatchEnv:
    """Makes the native batch; `fields` replace those of the task's config."""
    from sim.envs.make_batch import make_batch  # noqa: PLC0415  as above

    return make_batch(find_task(task, **fields), num_envs, seed=seed, threads=threads)
