"""The MJCF model is the only source: its URDF for other engines and for ROS, and its proof."""

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
