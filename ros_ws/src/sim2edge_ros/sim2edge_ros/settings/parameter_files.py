"""Writes the parameter files that the package ships, from what the nodes declare.

python -m sim2edge_ros.settings.parameter_files [FOLDER]
"""

import dataclasses
import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_runtime.config.fields import described
from edge_runtime.files import write_file
from sim2edge_ros.settings import robot_file
from sim2edge_ros.settings.parameters import NODES

_WIDTH = 96
# Values of a robot's file that differ from the nodes' defaults.
_STARTED = {
    "edge_node": {"autostart": True, "fifo": 50, "lock_memory": True},
    "sim_node": {"fifo": 49},
}


def text(robot: str) -> str:
    """Returns the parameter file of a robot: each parameter with its meaning and range."""
    lines = [
        f"# All parameters of the nodes of a robot as '{robot}', for any namespace.",
        "# `sim2edge up` and the launch files start from it. A file of your own (`params`)",
        "# overrides it, and an argument of the same name overrides both.",
    ]
    wheeled = robot_file.load(robot).description.wheeled is not None
    for node, kind in NODES.items():
        own: dict[str, Any] = {**_STARTED.get(node, {}), "robot": robot}
        if node == "edge_node" and wheeled:
            own["fusion"] = "wheeled"  # a navigator needs the position, which no policy reads
        lines += [f"/**/{node}:", "  ros__parameters:", *_parameters(kind, own)]
    return "\n".join(lines) + "\n"


def _parameters(kind: Any, own: Mapping[str, Any]) -> list[str]:
    lines = []
    for field in dataclasses.fields(kind):
        comment = textwrap.wrap(described(kind, field), _WIDTH - 6)
        lines += [f"    # {line}" for line in comment]
        # JSON is valid YAML.
        lines.append(f"    {field.name}: {json.dumps(own.get(field.name, field.default))}")
    return lines


def main() -> int:
    """Writes the parameter files of all robots."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "config"
    for robot in robot_file.shipped():
        write_file(folder / f"{robot}.yaml", text(robot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
