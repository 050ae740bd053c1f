"""Finds the nodes that command a robot: two would fight over it."""

from collections.abc import Iterable

from rclpy.node import Node

from sim2edge_ros.messages import topics
from sim2edge_ros.messages.publishers import publishers


def commanders(node: Node, own: Iterable[str] = ()) -> list[str]:
    """Returns the other nodes that publish commands to this robot, each as `/node (topic)`.

    Args:
        node: a node in the robot's namespace.
        own: topics on which this node itself publishes; on these a node of the same name is another
            one.
    """
    me, own, found = node.get_fully_qualified_name(), set(own), set()
    for topic in topics.COMMANDING:
        names = list(publishers(node, topic).values())
        if topic in own and me in names:
            names.remove(me)
        found |= {f"{name} ({topic})" for name in names}
    return sorted(found)
