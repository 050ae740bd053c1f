"""Two nodes of a machine never command one robot, and robots do not get in each other's way."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

import rclpy
from rclpy.node import Node

from sim2edge_ros.commands.commanders import Claim, CommandedError
from sim2edge_ros.messages import topics


@contextlib.contextmanager
def other(*arguments: str, domain: int | None = None, **options: Any) -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context, args=["--ros-args", *arguments], domain_id=domain)
    made = Node("other", context=context, **options)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


def test_a_robot_is_commanded_by_one_node_at_a_time(node: Any) -> None:
    with other() as second:
        first = Claim(node)
        with pytest.raises(CommandedError, match="another node on this machine"):
            Claim(second)
        first.close()
        Claim(second).close()


def test_a_node_that_shares_one_topic_is_refused(node: Any) -> None:
    with other("-r", f"{topics.POSITION}:=elsewhere") as second:
        first = Claim(node)
        with pytest.raises(CommandedError):
            Claim(second)
        first.close()


def test_robots_of_other_namespaces_and_domains_are_free(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Claim(node)
    with other(namespace="second") as second:
        Claim(second).close()
    with other(domain=102) as second:
        Claim(second).close()
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "OFF")
    with other() as second:
        Claim(second).close()
    first.close()
