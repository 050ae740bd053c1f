"""The parameter files are what the nodes declare."""

import dataclasses
import re
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install 'sim2edge[ros]'")

from sim2edge_ros.parameter_files import text
from sim2edge_ros.parameters import NODES, described
from sim2edge_ros.up import default_parameters


@pytest.mark.parametrize("robot", ["humanoid", "vehicle"])
def test_they_are_as_written(robot: str) -> None:
    """Else: python -m sim2edge_ros.parameter_files."""
    assert default_parameters(robot).read_text() == text(robot)


@pytest.mark.parametrize("kind", NODES.values())
def test_each_parameter_is_described_and_its_default_is_in_its_range(kind: Any) -> None:
    for field in dataclasses.fields(kind):
        assert re.fullmatch(r"[A-Z'].*[.]", described(field)), field.name
        lower, upper = field.metadata["lower"], field.metadata["upper"]
        if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
            assert lower <= field.default <= upper, field.name
