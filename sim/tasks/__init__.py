"""The tasks, by name."""

from importlib import import_module
from typing import Any

from edge_runtime.errors import UserError

_CONFIGS = {
    "HumanoidVelocity": ("sim.tasks.walking.config", "HumanoidVelocity"),
    "VehicleTrack": ("sim.tasks.driving.config", "VehicleTrack"),
    "Humanoid-v5": ("sim.reference.humanoid_v5", "HumanoidV5"),
}


def find_task(name: str) -> Any:
    """The task of that name, as configured by default.

    Returns:
        A `sim.tasks.task.TaskConfig`; for Gymnasium's reference task a `HumanoidV5`. Either runs by
        `sim.envs.batch.make_batch`.

    Raises:
        UserError: there is none.
    """
    if name not in _CONFIGS:
        raise UserError(f"unknown task '{name}'; there are: {', '.join(_CONFIGS)}")
    module, config = _CONFIGS[name]
    return getattr(import_module(module), config)()
