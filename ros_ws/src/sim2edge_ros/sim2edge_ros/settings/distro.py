"""What differs between Humble, Jazzy, Kilted and Lyrical: all of it, and only here."""

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.utilities import get_rmw_implementation_identifier

ROSError: type[Exception] = rclpy_implementation.RCLError  # of rcl, which has no public name


@dataclass(frozen=True)
class Distro:
    """A release of ROS 2, as far as the nodes must know it."""

    name: str
    rclpy: int  # major version of its rclpy
    # What Nav2 publishes on `cmd_vel` unless it is told otherwise.
    stamped_cmd_vel: bool
    # Names the file of Fast DDS's settings: to 2.x, and from 3.0 on, which warns of the other.
    profiles: str


_FAST_DDS_2, _FAST_DDS_3 = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
DISTROS = {
    d.name: d
    for d in (
        Distro("humble", 3, stamped_cmd_vel=False, profiles=_FAST_DDS_2),
        Distro("jazzy", 7, stamped_cmd_vel=False, profiles=_FAST_DDS_2),
        Distro("kilted", 9, stamped_cmd_vel=True, profiles=_FAST_DDS_3),
        Distro("lyrical", 10, stamped_cmd_vel=True, profiles=_FAST_DDS_3),
    )
}


def find_distro() -> Distro:
    """The one that runs here; an unknown one is taken for the newest that is known."""
    name = os.environ.get("ROS_DISTRO")
    if name:
        return DISTROS.get(name, DISTROS["lyrical"])
    # Where pip installed ROS nobody has set it, but each release has an rclpy of its own.
    found = int(importlib.metadata.version("rclpy").partition(".")[0])
    return max((d for d in DISTROS.values() if d.rclpy <= found), key=lambda d: d.rclpy)


def uses_fast_dds() -> bool:
    """Whether Fast DDS carries the messages; others know nothing of its settings."""
    return "fastrtps" in (get_rmw_implementation_identifier() or "")


def tf_message() -> Any | None:
    """The class of `/tf`, where its package is installed; it is not on PyPI."""
    if importlib.util.find_spec("tf2_msgs") is None:
        return None
    return importlib.import_module("tf2_msgs.msg").TFMessage


def steady_clock() -> Any:
    """One that goes on while simulated time stands still; Humble has its kinds elsewhere."""
    clock = importlib.import_module("rclpy.clock")
    return clock.Clock(clock_type=clock.ClockType.STEADY_TIME)


def incompatible_qos(tell: Callable[[Any], None]) -> Any:
    """Event callbacks of a subscription; Humble has them in another module."""
    newer = importlib.util.find_spec("rclpy.event_handler") is not None
    module = importlib.import_module("rclpy.event_handler" if newer else "rclpy.qos_event")
    return module.SubscriptionEventCallbacks(incompatible_qos=tell)
