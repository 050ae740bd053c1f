"""Carries messages over UDP alone, for Fast DDS's shared memory can hold a robot up.

To reach a process of this machine for the first time, Fast DDS opens its port in shared memory and
sleeps until it has answered, up to 333 ms, with the lock that every message needs
(`SharedMemGlobal::Port::healthy_check`). So any new subscriber, even `ros2 topic echo`, delays a
robot's commands for longer than a robot can stand. UDP has no such port, and over the loopback it
carries messages of these sizes as fast.
"""

import os
from collections.abc import MutableMapping
from importlib.resources import files
from pathlib import Path

from sim2edge_ros.settings.distro import DISTROS, find_distro, uses_fast_dds

_RANGE, _ONLY_HERE = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"  # the latter up to Iron
# A user who sets one of these has chosen the transport.
_CHOSEN = ("FASTDDS_BUILTIN_TRANSPORTS", *(distro.profiles for distro in DISTROS.values()))


def use_udp(environment: MutableMapping[str, str] = os.environ) -> None:
    """Keeps this process's nodes from shared memory, unless the user chose the transport.

    Call it before `rclpy.init`. The range of discovery stays as it is.

    Args:
        environment: environment variables of this process, which Fast DDS reads.
    """
    if any(environment.get(name) for name in _CHOSEN) or not uses_fast_dds():
        return
    wanted = environment.get(_RANGE, "").upper()
    here_alone = wanted == "LOCALHOST" or environment.get(_ONLY_HERE) == "1"
    if wanted == "OFF" or (here_alone and environment.get("ROS_STATIC_PEERS")):
        return  # no profile can express that range
    if here_alone:  # in this case rmw_fastrtps uses shared memory whatever a profile says
        environment[_RANGE] = "SYSTEM_DEFAULT"
        environment.pop(_ONLY_HERE, None)
    environment[find_distro().profiles] = str(profile("localhost" if here_alone else "subnet"))


def profile(reach: str) -> Path:
    """Returns the file of Fast DDS's settings for 'localhost' or 'subnet'."""
    return Path(str(files("sim2edge_ros") / "config" / f"fastdds_{reach}.xml"))
