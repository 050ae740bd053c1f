"""Finds the tasks by name."""

from typing import Any

from edge_runtime.errors import UserError
from edge_runtime.plugins import Registry
from sim.tasks.protocols import BatchTask

TASKS: Registry[Any] = Registry("sim2edge.tasks", "task", wanted="a task's config class")
"""The config classes of tasks, or functions that return a config, by the tasks' names."""


def find_task(name: str) -> BatchTask:
    """Returns the task of that name with its default settings; `sim.envs` runs it.

    Raises:
        UserError: there is none, or its package is broken.
    """
    task: BatchTask = TASKS.find(name)()
    if task.name != name:
        raise UserError(
            f"the task registered as '{name}' calls itself '{task.name}'; "
            "give it the same name in both places, by which runs and policies find it again"
        )
    return task
