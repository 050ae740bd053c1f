"""Registers the tasks as Gymnasium ids, which need no import before them.

::

    gymnasium.make("sim:sim2edge/HumanoidVelocity-v0")
    gymnasium.make_vec("sim:sim2edge/HumanoidVelocity-v0", num_envs=256)

What stands before the colon is the module to import; after `import sim` it may be left out. What
reads the entry points `gymnasium.envs`, as Gymnasium did before 1.0, needs neither. There is an id
for all that `sim2edge train` can be asked for: tasks, and recipes, whose task it makes.
"""

import re
from typing import Any

import gymnasium
from gymnasium.envs.registration import register, registry
from gymnasium.vector import AutoresetMode

from edge_runtime.errors import UserError
from sim.tasks import RECIPES, TASKS, find_task, with_settings
from sim.tasks.protocols import BatchTask

_VERSION = re.compile(r"-v\d+$")


def register_tasks() -> None:
    """Registers every task and recipe there is, and each that is registered from now on, once."""
    for names in (TASKS, RECIPES):
        for name in names:
            _register(name)
        if _register not in names.observers:
            names.observers.append(_register)


def id_of(task: str) -> str:
    """Returns the Gymnasium id of a task or recipe: `sim2edge/NAME-v0`, or `sim2edge/NAME` if it
    has a version."""
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
    task: str,
    render_mode: str | None = None,
    engine: str | None = None,
    estimates: str | None = None,
    **fields: Any,
) -> gymnasium.Env[Any, Any]:
    """Makes one simulation.

    Args:
        task: its name, or a recipe's.
        render_mode: "rgb_array" for frames, "rgb_array_list" for all frames since the last call.
        engine: what moves the robot, as for `TaskVectorEnv`.
        estimates: where attitude and velocity come from, as for `TaskVectorEnv`.
        fields: replace those of the task's config.

    Raises:
        UserError: one of them cannot be.
    """
    from sim.envs.environment import TaskEnv  # noqa: PLC0415  ids need no simulator

    listed = render_mode == "rgb_array_list"
    mode = "rgb_array" if listed else render_mode
    env = TaskEnv(_find(task, fields), mode, **_given(engine, estimates))
    return gymnasium.wrappers.RenderCollection(env) if listed else env


def make_vector_environment(
    task: str,
    num_envs: int = 1,
    seed: int | None = None,
    threads: int = 0,
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
    max_episode_steps: int | None = None,
    engine: str | None = None,
    estimates: str | None = None,
    **fields: Any,
) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    """Makes the native batch; see `GymnasiumBatch` for the arguments, and `make_environment` for
    the others.

    Raises:
        UserError: one of them cannot be.
    """
    from sim.envs.gymnasium_batch import GymnasiumBatch  # noqa: PLC0415  as above

    return GymnasiumBatch(
        _find(task, fields),
        num_envs,
        seed=seed,
        threads=threads,
        autoreset_mode=autoreset_mode,
        render_mode=render_mode,
        max_episode_steps=max_episode_steps,
        **_given(engine, estimates),
    )


def _find(name: str, fields: dict[str, Any]) -> BatchTask:
    """Returns the task of that name, or of the recipe of that name, with these settings."""
    if not isinstance(name, str):
        raise UserError(f"task is {name!r}; it must be a name")
    if name in TASKS or name not in RECIPES:
        return find_task(name, **fields)
    task: BatchTask = RECIPES.find(name).task
    return with_settings(task, fields)


def _given(engine: str | None, estimates: str | None) -> dict[str, str]:
    options = {"engine": engine, "estimates": estimates}
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, str):
            raise UserError(f"{name} is {value!r}; it must be a name")
    return given
