"""Nodes use no shared memory, and are discovered as without this package."""

import os
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from std_msgs.msg import Float64MultiArray

from sim2edge_ros.messages import transport
from sim2edge_ros.messages.transport import profile, use_udp
from sim2edge_ros.settings.distro import DISTROS, find_distro
from tests.ros.graph.ros_graph import Probe, running

RANGE, PROFILES = "ROS_AUTOMATIC_DISCOVERY_RANGE", find_distro().profiles
_SPEAKER = """
import time
from sim2edge_ros.messages.transport import use_udp
use_udp()
import rclpy
from std_msgs.msg import Float64MultiArray
rclpy.init()
node = rclpy.create_node("speaker")
publisher = node.create_publisher(Float64MultiArray, "numbers", 10)
print("speaks", flush=True)
while True:
    publisher.publish(Float64MultiArray(data=[1.0]))
    time.sleep(0.02)
"""


_CROWD = """
import sys, time
from sim2edge_ros.messages.transport import use_udp
use_udp()
import rclpy
from std_msgs.msg import Float64MultiArray

def node(name):
    context = rclpy.Context()
    rclpy.init(context=context)
    return rclpy.create_node(name, context=context)

crowd = [node(f"other_{number}") for number in range(33)]
speaker, listener = node("speaker"), node("listener")
speaker.create_publisher(Float64MultiArray, "numbers", 10)
until = time.monotonic() + 60.0
while not listener.count_publishers("numbers") and time.monotonic() < until:
    time.sleep(0.05)
print(listener.count_publishers("numbers"), flush=True)
"""


@pytest.mark.parametrize(
    ("given", "reach"),
    [
        ({}, "subnet"),
        ({RANGE: "SUBNET"}, "subnet"),
        ({RANGE: "SYSTEM_DEFAULT"}, "subnet"),
        ({RANGE: "LOCALHOST"}, "localhost"),
        ({RANGE: "localhost"}, "localhost"),
        ({"ROS_LOCALHOST_ONLY": "1"}, "localhost"),
        ({"ROS_LOCALHOST_ONLY": "0"}, "subnet"),
    ],
)
def test_the_profile_is_that_of_the_range(given: dict[str, str], reach: str) -> None:
    environment = dict(given)
    use_udp(environment)
    assert Path(environment[PROFILES]) == profile(reach)
    others = {distro.profiles for distro in DISTROS.values()} - {PROFILES}
    assert not others & set(environment), "rmw_fastrtps warns of what is not its own"
    tree = ElementTree.parse(profile(reach))
    assert [e.text for e in tree.findall(".//{*}type")] == ["UDPv4"]
    assert all(len(e) for e in tree.findall(".//{*}locator")), "Fast DDS 3.4 takes no empty one"
    if reach == "localhost":  # what rmw_fastrtps would take shared memory for
        assert environment[RANGE] == "SYSTEM_DEFAULT"
        assert "ROS_LOCALHOST_ONLY" not in environment


@pytest.mark.parametrize(
    "given",
    [
        {"FASTDDS_BUILTIN_TRANSPORTS": "SHM"},
        {"FASTRTPS_DEFAULT_PROFILES_FILE": "own.xml", RANGE: "LOCALHOST"},
        {"FASTDDS_DEFAULT_PROFILES_FILE": "own.xml"},
        {RANGE: "OFF"},
        {RANGE: "LOCALHOST", "ROS_STATIC_PEERS": "10.0.0.1"},
    ],
)
def test_what_the_user_chose_stays(given: dict[str, str]) -> None:
    environment = dict(given)
    use_udp(environment)
    assert environment == given


def test_another_middleware_keeps_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads no profile, so without its range it would be found from everywhere."""
    monkeypatch.setattr(transport, "uses_fast_dds", lambda: False)
    environment = {RANGE: "LOCALHOST"}
    use_udp(environment)
    assert environment == {RANGE: "LOCALHOST"}


def shared_memory_of(process: int) -> list[str]:
    """Files of Fast DDS's that a process has in its memory."""
    mapped = Path(f"/proc/{process}/maps").read_text().splitlines()
    return [line for line in mapped if "/dev/shm/fast" in line]


@pytest.mark.parametrize("reach", ["LOCALHOST", "SUBNET"])
def test_a_node_reaches_any_other_and_maps_no_shared_memory(node: Any, reach: str) -> None:
    """The probe is as rclpy makes it, with shared memory and for this machine alone."""
    probe = Probe(node)
    probe.subscribe("numbers", Float64MultiArray)
    with running([sys.executable, "-c", _SPEAKER], **{RANGE: reach}) as graph:
        graph.until("speaks")
        probe.until(lambda: len(probe.received["numbers"]) > 5, "it is received")
        assert not shared_memory_of(graph.process.pid)
        assert graph.lines == ["speaks"], "rmw_fastrtps complains of nothing"
    assert shared_memory_of(os.getpid()), "the check works"


def test_two_nodes_among_many_find_each_other() -> None:
    """More participants on a machine than the 32 that were looked for."""
    with running([sys.executable, "-c", _CROWD], **{RANGE: "LOCALHOST"}) as graph:
        graph.until("1")
