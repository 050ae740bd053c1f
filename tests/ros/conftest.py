"""Real nodes in processes of their own, which talk over DDS in a domain of the test worker."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ros_ws" / "src" / "sim2edge_ros"
# Where it is not installed.
sys.path.insert(0, str(PACKAGE))

WITHOUT_ROS = "rclpy cannot be imported; pip install -e '.[ros]'"


def _domain() -> int:
    """Another for each test worker, and for what runs beside; up to 101 their ports are free."""
    return 1 + os.getpid() % 100


@pytest.fixture(autouse=True, scope="session")
def environment() -> Iterator[dict[str, str]]:
    """Returns the nodes' environment: their own domain, this machine alone, and this tree."""
    before = dict(os.environ)
    path = os.pathsep.join([str(ROOT), str(PACKAGE), os.environ.get("PYTHONPATH", "")])
    os.environ |= {
        "ROS_DOMAIN_ID": str(_domain()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
    }
    yield dict(os.environ)
    os.environ.clear()
    os.environ |= before


@pytest.fixture(autouse=True)
def environment_of_each_test(environment: dict[str, str]) -> Iterator[None]:
    """Undoes what a node that was started in this process has set, such as its transport."""
    yield
    os.environ.clear()
    os.environ |= environment


@pytest.fixture
def node() -> Iterator[Any]:
    """A node of the test's own."""
    rclpy = pytest.importorskip("rclpy", reason=WITHOUT_ROS)
    context = rclpy.Context()
    rclpy.init(context=context)
    from rclpy.node import Node

    made = Node("probe", context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)
