"""Who commands a robot: two that do fight over it."""

from collections.abc import Iterable

from rclpy.node import Node

from sim2edge_ros.messages import topics

_UNKNOWN = "_NODE_NAME_UNKNOWN_"  # rmw's, until the node's own description comes


def commanders(node: Node, own: Iterable[str] = ()) -> list[str]:
    """Who else publishes commands to this robot: `/node (topic)`.

    Args:
        node: in whose namespace the robot is.
        own: topics on which this node itself publishes; another of its name is somebody else.
    """
    me, own, found = node.get_fully_qualified_name(), set(own), set()
    for topic in topics.COMMANDING:
        infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
        names = [
            "a node whose name is not known yet"
            if info.node_name == _UNKNOWN
            else f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in infos
        ]
        if topic in own and me in names:
            names.remove(me)
        found |= {f"{name} ({topic})" for name in names}
    return sorted(found)
