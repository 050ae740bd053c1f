"""Names the frames: /tf serves all robots, so each robot's frames carry its namespace."""

from typing import NamedTuple

from sim2edge_ros.settings.parameters import ModelParameters

_ODOM, _BASE = "odom", "base_link"  # REP-105


class Frames(NamedTuple):
    """Holds the names of a robot's frames, as its nodes use them."""

    # Prefix of all frames, as `frame_prefix` of a robot_state_publisher: 'h1/', or empty
    prefix: str
    odom: str
    base: str


def frames(namespace: str, parameters: ModelParameters) -> Frames:
    """Returns the frames of a node.

    Args:
        namespace: the node's namespace, as '/h1' or '/'.
        parameters: may give frames other names.
    """
    own = namespace.strip("/")
    prefix = f"{own}/" if own else ""
    return Frames(
        prefix,
        parameters.odom_frame or f"{prefix}{_ODOM}",
        parameters.base_frame or f"{prefix}{_BASE}",
    )
