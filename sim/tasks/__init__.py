"""Finds the tasks by name."""

import dataclasses
from typing import Any

from edge_runtime.errors import UserError, suggestion
from edge_runtime.plugins import Registry
from sim.tasks.protocols import BatchTask

TASKS: Registry[Any] = Registry("sim2edge.tasks", "task", wanted="a task's config class")
"""The config classes of tasks, or functions that return a config, by the tasks' names."""


def find_task(name: str, **fields: Any) -> BatchTask:
    """Returns the task of that name; `sim.envs` runs it.

    Args:
        name: of the task.
        fields: replace the default settings of those names.

    Raises:
        UserError: there is no such task or setting, or its package is broken.
    """
    task: BatchTask = TASKS.find(name)()
    if task.name != name:
        raise UserError(
            f"the task registered as '{name}' calls itself '{task.name}'; "
            "give it the same name in both places, by which runs and policies find it again"
        )
    known = [field.name for field in dataclasses.fields(task)]
    for field in fields:
        if field not in known:
            raise UserError(f"{name} has no setting '{field}'; {suggestion(field, known)}")
    return dataclasses.replace(task, **fields) if fields else task
