"""Finds the tasks by name."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_runtime.config.config_file import read_value, to_json
from edge_runtime.config.fields import settings_of, types_of
from edge_runtime.errors import UserError, suggestion
from edge_runtime.plugins import Registry
from sim.tasks.protocols import BatchTask

TASKS: Registry[Any] = Registry("sim2edge.tasks", "task", wanted="a task's config class")
"""The config classes of tasks, or functions that return a config, by the tasks' names."""

RECIPES: Registry[Any] = Registry(
    "sim2edge.recipes",
    "training recipe",
    lambda thing: dataclasses.is_dataclass(getattr(thing, "task", None)),
    "a policies.train.config.TrainConfig",
)
"""How tasks are trained, by the recipes' names; each has the `task` that it trains."""


def find_task(name: str, **fields: Any) -> BatchTask:
    """Returns the task of that name; `sim.envs` runs it.

    Args:
        name: the name of the task.
        fields: replace the default settings of those names.

    Raises:
        UserError: there is no such task or setting, its package is broken, or a setting cannot
            have the value.
    """
    task: BatchTask = TASKS.find(name)()
    if task.name != name:
        raise UserError(
            f"the task registered as '{name}' calls itself '{task.name}'; "
            "give it the same name in both places, by which runs and policies find it again"
        )
    return with_settings(task, fields)


def with_settings(task: BatchTask, fields: Mapping[str, Any]) -> BatchTask:
    """Returns the task with other values of some settings, of their types and within their bounds.

    Raises:
        UserError: there is no such setting, or it cannot have the value.
    """
    known = {field.name: field for field in dataclasses.fields(task)}
    kind = type(task)
    hints, declared = types_of(kind), settings_of(kind)
    values = {}
    for name, value in fields.items():
        if name not in known:
            raise UserError(f"{task.name} has no setting '{name}'; {suggestion(name, known)}")
        before, where = getattr(task, name), f"{task.name}: {name}"
        if isinstance(value, type(before)) and dataclasses.is_dataclass(value):
            values[name] = value
            continue
        plain = value.tolist() if isinstance(value, (np.generic, np.ndarray)) else to_json(value)
        values[name] = read_value(hints[name], plain, where, declared[name], before)
    return dataclasses.replace(task, **values) if values else task
