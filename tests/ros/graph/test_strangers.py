"""A stray driver in the graph of a walking robot."""

import math
import time
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from geometry_msgs.msg import Twist
from sensor_msgs.msg import JointState

from sim2edge_ros.messages import topics
from sim2edge_ros.settings import robot_file
from tests.ros.graph.ros_graph import up
from tests.ros.graph.watcher import TRUTH, Watcher


@pytest.mark.slow
def test_a_stray_fake_driver_does_not_make_the_humanoid_fall(node: Any) -> None:
    """Zeros in all joints at 55 Hz, stamped now."""
    watcher = Watcher(node)
    names = list(robot_file.load("humanoid").description.joint_names)
    zeros = [0.0] * len(names)
    speak = node.create_publisher(Twist, topics.CMD_VEL, 10)
    command = Twist()
    command.linear.x = 0.4
    last = -math.inf

    def publish() -> None:
        nonlocal last
        if time.monotonic() - last < 1 / 55:
            return
        last = time.monotonic()
        speak.publish(command)
        if stray is not None:
            message = JointState(name=names, position=zeros, velocity=zeros, effort=zeros)
            message.header.stamp = node.get_clock().now().to_msg()
            stray.publish(message)

    stray: Any = None
    with up("humanoid") as graph:
        graph.until("edge_node]: active")
        watcher.until(lambda: watcher.time > 0 and watcher.speed > 0.2, "it walks", each=publish)
        stray = node.create_publisher(JointState, topics.JOINTS, topics.STATE)
        watcher.spin(4.0, each=publish)
        assert watcher.last(f"/{TRUTH}").pose.pose.position.z > 0.6, "it did not fall"
        assert watcher.said("joint_states: /probe and /sim_node publish it; stop one")
        node.destroy_publisher(stray)
        stray = None
        watcher.until(lambda: watcher.value("node", "state") == "active", "goes on", each=publish)
        watcher.until(lambda: bool(watcher.part("node").level == b"\0"), "well", each=publish)
        assert graph.interrupt(watcher) == 0, graph.output
