"""Holds all that differs between the ROS distributions Humble, Jazzy, Kilted and Lyrical."""

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.utilities import get_rmw_implementation_identifier

ROSError: type[Exception] = rclpy_implementation.RCLError  # rcl's error, which has no public name


@dataclass(frozen=True)
class Distro:
    """Describes a ROS 2 distribution as far as the nodes depend on it."""

    name: str
    rclpy: int  # major version of its rclpy
    # Whether Nav2 publishes TwistStamped on `cmd_vel` by default.
    stamped_cmd_vel: bool
    # Variable that names the file of Fast DDS's settings: one up to 2.x, and another from 3.0 on,
    # which warns of the first.
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
    """Returns the distribution that runs here; an unknown one is treated as the newest known."""
    name = os.environ.get("ROS_DISTRO")
    if name:
        return DISTROS.get(name, DISTROS["lyrical"])
    # pip's installation sets no ROS_DISTRO, but each distribution has an rclpy of its own.
    found = int(importlib.metadata.version("rclpy").partition(".")[0])
    return max((d for d in DISTROS.values() if d.rclpy <= found), key=lambda d: d.rclpy)


def uses_fast_dds() -> bool:
    """Returns whether Fast DDS transports the messages; other middlewares ignore its settings."""
    return "fastrtps" in (get_rmw_implementation_identifier() or "")


def steady_clock() -> Any:
    """Returns a clock that goes on while simulated time stands still; Humble has it elsewhere."""
    clock = importlib.import_module("rclpy.clock")
    return clock.Clock(clock_type=clock.ClockType.STEADY_TIME)


def incompatible_qos(report: Callable[[Any], None]) -> Any:
    """Returns a subscription's event callbacks; Humble has their class in another module."""
    newer = importlib.util.find_spec("rclpy.event_handler") is not None
    module = importlib.import_module("rclpy.event_handler" if newer else "rclpy.qos_event")
    return module.SubscriptionEventCallbacks(incompatible_qos=report)
