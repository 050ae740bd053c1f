"""What differs between Humble, Jazzy, Kilted and Lyrical: all of it, and only here."""

import importlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation

ROSError: type[Exception] = rclpy_implementation.RCLError  # of rcl, which has no public name


@dataclass(frozen=True)
class Distro:
    """A release of ROS 2, as far as the nodes must know it."""

    name: str
    # What Nav2 publishes on `cmd_vel` unless it is told otherwise.
    stamped_cmd_vel: bool


DISTROS = {
    d.name: d
    for d in (
        Distro("humble", stamped_cmd_vel=False),
        Distro("jazzy", stamped_cmd_vel=False),
        Distro("kilted", stamped_cmd_vel=True),
        Distro("lyrical", stamped_cmd_vel=True),
    )
}
_INSTALLED_BY_PIP = "jazzy"  # which sets no ROS_DISTRO


def find_distro() -> Distro:
    """The one that runs here; an unknown one is taken for the newest that is known."""
    name = os.environ.get("ROS_DISTRO", _INSTALLED_BY_PIP)
    return DISTROS.get(name, DISTROS["lyrical"])


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
