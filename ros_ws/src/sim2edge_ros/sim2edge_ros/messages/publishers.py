"""Names the nodes that publish a topic."""

from rclpy.node import Node

_UNKNOWN = "_NODE_NAME_UNKNOWN_"  # rmw's name for a node whose description has not arrived yet
UNNAMED = "a node whose name is not known yet"


def publishers(node: Node, topic: str) -> dict[bytes, str]:
    """Returns the full name of the node behind each publisher of a topic, by the publisher's id.

    Args:
        node: resolves the topic's name.
        topic: may be relative.
    """
    infos = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
    return {
        bytes(info.endpoint_gid): UNNAMED
        if info.node_name == _UNKNOWN
        else f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        for info in infos
    }
