"""Finds the nodes that command a robot: two would fight over it."""

import hashlib
import math
import os
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from rclpy.node import Node

from edge_runtime.errors import UserError
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.publishers import publishers

_YIELDS = 1.0  # s for which a new node waits for another to give way


class CommandedError(UserError):
    """Reports that another node commands the robot already."""


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


class Claim:
    """Holds the sole right of this machine's nodes to command a robot, until it is closed.

    DDS may take seconds to discover another node on a loaded machine, and the kernel knows of it at
    once. What is held are addresses of sockets without files, one for each topic of commands in a
    domain, which end with the process; containers that share no network share no claims.

    Args:
        node: its domain, namespace and remappings name the topics.

    Raises:
        CommandedError: another node of this machine holds one.
    """

    def __init__(self, node: Node) -> None:
        with ExitStack() as stack:
            # Nodes that cannot discover each other may live side by side.
            alone = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "OFF"
            for topic in () if alone else topics.COMMANDING:
                name = f"{node.context.get_domain_id()} {node.resolve_topic_name(topic)}"
                held = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
                try:
                    held.bind(f"\0sim2edge {hashlib.sha256(name.encode()).hexdigest()}")
                except OSError:
                    raise CommandedError(
                        "another node on this machine commands this robot already"
                    ) from None
            self._held = stack.pop_all()

    def close(self) -> None:
        """Lets another node command the robot."""
        self._held.close()


class OtherCommanders:
    """Follows the other nodes that command the robot of a node, and says which goes first.

    Args:
        node: a node in the robot's namespace.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.names: list[str] = []
        self._is_later = False  # whether the node gives way to one of them if both are new
        self._met = math.inf  # monotonic time when another was first seen, s

    def find(self, own: Mapping[str, bytes]) -> None:
        """Looks for them anew; `own` are the ids of the node's own publishers by topic."""
        found = commanders(self._node, own)
        self.names = sorted({f"{other.name} ({other.topic})" for other in found})
        self._is_later = any(o.id < own[o.topic] for o in found if o.topic in own)
        self._met = min(self._met, time.monotonic()) if found else math.inf

    @property
    def go_first(self) -> bool:
        """Returns whether the node, if it is new, gives way to one of them.

        Of two that are both new, the one whose publisher has the greater id gives way at once. The
        other waits for that, and gives way if it does not come, for the first may be old.
        """
        waits = not self._is_later and time.monotonic() - self._met < _YIELDS
        return bool(self.names) and not waits
