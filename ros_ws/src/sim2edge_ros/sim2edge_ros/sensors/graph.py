"""Says what the graph of nodes shows of a sensor topic: who publishes it, and why nothing comes."""

import os
from typing import Any

from rclpy.node import Node

from sim2edge_ros.messages.publishers import publishers
from sim2edge_ros.settings.distro import uses_fast_dds

_DOMAIN, _RANGE = "ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"


def why_silent(node: Node, topic: str, kind: Any) -> str:
    """Returns the likely cause that no message of a topic has come, and the way out.

    Args:
        node: a node that subscribes to the topic.
        topic: may be relative.
        kind: class of its messages.
    """
    wanted = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    name = node.resolve_topic_name(topic)
    infos = node.get_publishers_info_by_topic(name)
    if infos:
        names = _joined(publishers(node, topic).values())
        other = sorted({info.topic_type for info in infos} - {wanted})
        if other:
            return f"{names} publishes {', '.join(other)} there, {wanted} is needed"
        return (
            f"{names} publishes it, but no message arrives: is it idle, does a firewall keep UDP "
            "back, or do its stamps and ours differ in use_sim_time?"
        )
    known = node.get_topic_names_and_types()
    same = sorted(n for n, kinds in known if wanted in kinds and node.count_publishers(n))
    if same:
        return f"nobody publishes {name}, but {_joined(same)} is of its type; remap one of them"
    mine = node.get_name().removesuffix("_io")
    found = node.get_node_names_and_namespaces()
    others = [f"{space.rstrip('/')}/{n}" for n, space in found if not n.startswith(mine)]
    domain = os.environ.get(_DOMAIN, "") or "0"
    if others:
        return f"nobody publishes {name}; in domain {domain} there are {_joined(others)}"
    profile = ", its profile (FASTDDS_DEFAULT_PROFILES_FILE)" if uses_fast_dds() else ""
    return (
        f"no other node is seen in domain {domain}; is the robot's driver on, is its {_DOMAIN} the "
        f"same, and do {_RANGE}{profile} and the network let it be found?"
    )


def _joined(names: Any) -> str:
    first = sorted(set(names))
    return ", ".join(first[:4]) + (f" and {len(first) - 4} more" if len(first) > 4 else "")
