"""package.xml names what the package's code imports, by rosdep's keys."""

import ast
import sys
import xml.etree.ElementTree as ET

from tests.ros.conftest import PACKAGE

_PIP = {"edge_runtime", "sim"}  # pip install sim2edge
_KEYS = {"numpy": "python3-numpy", "mcap": "mcap-ros2-support", "zstandard": "mcap-ros2-support"}
_SIMULATOR = {"mujoco"}  # of pip's sim2edge[sim]
_AT_RUN_TIME = {"tf2_msgs"}  # imported where it is there


def imported() -> set[str]:
    """Top-level packages, not of the standard library or this one."""
    found = set()
    for file in (PACKAGE / "sim2edge_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"sim2edge_ros"}


def test_dependencies_are_what_is_imported() -> None:
    tree = ET.parse(PACKAGE / "package.xml")
    declared = {node.text for node in tree.iter("exec_depend")}
    needed = {_KEYS.get(name, name) for name in imported() - _PIP - _SIMULATOR}
    assert declared == needed | _AT_RUN_TIME
