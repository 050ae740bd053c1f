"""Refuses arguments that no batch of simulations can be made with."""

import operator
from typing import Any

from edge_runtime.errors import UserError


def check_arguments(task: Any, num_envs: Any, seed: Any, threads: Any) -> None:
    """Checks what a batch is made with, before anything is built.

    Raises:
        UserError: names the argument, or the setting of the task, and what it must be.
    """
    if not callable(getattr(task, "check", None)) or isinstance(task, type):
        raise UserError(
            f"{task!r} is no task's config; take what sim.tasks.find_task(NAME) returns"
        )
    _check_count("num_envs", num_envs, 1)
    _check_count("threads", threads, 0)
    _check_count("seed", seed, 0)
    task.check()


def _check_count(name: str, value: Any, least: int) -> None:
    try:
        count = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        count = -1
    if count < least:
        raise UserError(f"{name} is {value!r}; it must be a whole number, {least} at least")
