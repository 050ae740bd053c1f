"""Worlds: robots, physics engines, tasks, sensors, randomization, rendering."""

import os
import sys

from sim.registration import register_tasks

if sys.platform == "linux":  # draw without a screen; read when mujoco is imported
    os.environ.setdefault("MUJOCO_GL", "egl")

register_tasks()
