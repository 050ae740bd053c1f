"""Refuses what no batch of simulations can be made with, or moved by."""

import operator
from typing import Any

import numpy as np

from edge_runtime.errors import UserError
from edge_runtime.signals import Array, Bool


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


def check_actions(actions: Any, shape: tuple[int, ...] | None, rows: Bool) -> Array:
    """Returns the actions of `rows` (N,), of that shape in float32, and zeros for the others.

    Raises:
        ValueError: they are of another shape, no numbers or not finite.
    """
    try:
        checked: Array = np.array(actions, np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"actions must be numbers of shape {shape}: {error}") from None
    if checked.shape != shape:
        raise ValueError(f"actions have shape {checked.shape}; they must have {shape}")
    checked[~rows] = 0.0
    broken = np.logical_not(np.isfinite(checked).all(axis=1))
    if broken.any():
        first = int(np.flatnonzero(broken)[0])
        raise ValueError(
            f"the actions of {listed(broken)} are not finite ({checked[first].tolist()} in "
            f"environment {first}); the policy that gave them has diverged"
        )
    return checked


def listed(mask: Bool) -> str:
    """Returns which environments a mask (N,) means, in words; of many the first."""
    rows = np.flatnonzero(mask).tolist()
    more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
    return f"environment{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:8]))}{more}"
