"""Defines an observation term; it runs on the robot too, so it needs numpy alone."""

import numpy as np

from edge_runtime.observation.terms import term
from edge_runtime.signals import Array


@term(reads=("foot_force",), unit="1", frame="foot")
def feet_load(force: Array, *, half: float) -> Array:
    """Returns each foot's load, (N, feet), from 0 to 1; 0.5 at `half`, in N."""
    pressed = np.maximum(force, np.float32(0.0))
    load: Array = pressed / (pressed + np.float32(half))
    return load
