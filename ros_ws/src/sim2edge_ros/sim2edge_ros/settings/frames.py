"""Names of frames: /tf is one for all robots, so each robot's are behind its namespace."""

from typing import NamedTuple

from sim2edge_ros.settings.parameters import RobotParameters

_ODOM, _BASE = "odom", "base_link"  # REP-105


class Frames(NamedTuple):
    """A robot's frames, as its nodes name them."""

    prefix: str  # of all, as `frame_prefix` of a robot_state_publisher: 'h1/', or nothing
    odom: str
    base: str


def frames(namespace: str, parameters: RobotParameters) -> Frames:
    """Those of a node.

    Args:
        namespace: the node's, as '/h1' or '/'.
        parameters: which may name some otherwise.
    """
    own = namespace.strip("/")
    prefix = f"{own}/" if own else ""
    return Frames(
        prefix,
        parameters.odom_frame or f"{prefix}{_ODOM}",
        parameters.base_frame or f"{prefix}{_BASE}",
    )
