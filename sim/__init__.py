"""Simulates worlds: robots, physics engines, tasks, sensors, randomization, rendering."""

import importlib
import os
import sys

from edge_runtime.errors import UserError
from sim.envs.registration import register_tasks


def _choose_graphics() -> None:
    """Selects rendering without a screen, unless MUJOCO_GL is set; mujoco reads it when imported.

    Raises:
        UserError: mujoco cannot be imported with this MUJOCO_GL.
    """
    kind = os.environ["MUJOCO_GL"] = os.environ.get("MUJOCO_GL", "").lower() or "egl"
    if kind == "egl":
        return
    try:
        importlib.import_module("mujoco")
    except (AttributeError, ImportError, RuntimeError) as error:
        raise UserError(
            f"MUJOCO_GL={kind} does not work on this machine ({error}); unset it to render with EGL"
        ) from None


if sys.platform == "linux":
    _choose_graphics()

register_tasks()
