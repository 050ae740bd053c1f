"""Converts the MJCF model, the only source, to URDF for ROS and other engines, and compares the
two."""

from sim.urdf.compare import Difference, compare_models
from sim.urdf.tree import Parts
from sim.urdf.unsupported import Unsupported
from sim.urdf.write import Conversion, convert, write, write_urdf

__all__ = [
    "Conversion",
    "Difference",
    "Parts",
    "Unsupported",
    "compare_models",
    "convert",
    "write",
    "write_urdf",
]
