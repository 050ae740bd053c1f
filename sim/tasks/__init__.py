"""The tasks, by name."""

from importlib import import_module

from edge_runtime.errors import UserError
from sim.task import TaskConfig

_MODULES = {
    "HumanoidVelocity": "sim.tasks.humanoid_velocity",
    "VehicleTrack": "sim.tasks.vehicle_track",
}


def find_task(name: str) -> TaskConfig:
    """The task of that name, as configured by default.

    Raises:
        UserError: there is none.
    """
    if name not in _MODULES:
        raise UserError(f"unknown task '{name}'; there are: {', '.join(_MODULES)}")
    config: TaskConfig = getattr(import_module(_MODULES[name]), name)()
    return config
