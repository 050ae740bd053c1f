"""The bare node, beside which the edge node's latency is measured, hears the drivers too."""

import os

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from ros_nodes.latency import _echo


@pytest.mark.slow
def test_the_bare_node_answers_the_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    assert _echo(1.0).answered > 0.9
