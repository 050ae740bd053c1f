"""Finds the nodes that command a robot: two would fight over it."""

from collections.abc import Mapping
from typing import NamedTuple

from rclpy.node import Node

from sim2edge_ros.messages import topics
from sim2edge_ros.messages.publishers import publishers


class Commander(NamedTuple):
    """Holds a publisher of commands."""

    name: str  # of its node
    topic: str
    id: bytes  # of the publisher, as the middleware gives it


def commanders(node: Node, own: Mapping[str, bytes] | None = None) -> list[Commander]:
    """Returns the publishers of commands to this robot that are not this node's own.

    Args:
        node: a node in the robot's namespace.
        own: ids of this node's own publishers by topic; any other, even of a node of the same
            name, is another's.
    """
    mine = set((own or {}).values())
    return [
        Commander(name, topic, each)
        for topic in topics.COMMANDING
        for each, name in publishers(node, topic).items()
        if each not in mine
    ]
