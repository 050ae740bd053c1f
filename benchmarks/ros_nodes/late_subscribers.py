"""Starts and ends listeners while the car drives. Part of `ros.py`.

Each is a process as `ros2 topic echo` is, with the middleware's own settings. The peer is the same
graph with these settings too, that is with shared memory.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from figures import Figure

from ros_nodes.listener import Listener
from ros_nodes.processes import running
from ros_nodes.robots import Motion, up

SUBSCRIBERS = 12
_STARTING = 3.0  # s
_STAYS = 0.5  # s after it received the robot
_COUNTS = ("missed", "ticks_without_sample")
_OWN_SETTINGS = ("FASTDDS_BUILTIN_TRANSPORTS", "DEFAULT")
_LISTENS = """
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray
rclpy.init()
node = rclpy.create_node("subscriber")
for kind, topic in (
    (Imu, "imu/data_raw"),
    (JointState, "joint_states"),
    (Float64MultiArray, "forward_position_controller/commands"),
):
    tell = lambda message, topic=topic: print("heard", topic, flush=True)
    node.create_subscription(kind, topic, tell, qos_profile_sensor_data)
rclpy.spin(node)
"""


def come_and_go() -> Figure:
    """Counts ticks that were missed or had no sample while listeners came and went."""
    ours = _lost_to_late_subscribers()
    with _shared_memory():
        theirs = _lost_to_late_subscribers()
    return Figure(
        f"missed or without a sample while {SUBSCRIBERS} listeners come and go",
        ours,
        "ticks",
        0,
        f"with Fast DDS's shared memory {theirs}",
        at_least=False,
    )


def _lost_to_late_subscribers() -> int:
    with up("vehicle", Motion()) as listener:
        time.sleep(_STARTING)
        before = _lost(listener)
        for _ in range(SUBSCRIBERS):
            with running([sys.executable, "-c", _LISTENS]) as subscriber:
                for topic in ("imu/data_raw", "forward_position_controller/commands"):
                    subscriber.until_said(f"heard {topic}")
                time.sleep(_STAYS)
        return _lost(listener) - before


def _lost(listener: Listener) -> int:
    values = listener.diagnostics("control loop")
    return sum(int(values[count]) for count in _COUNTS)


@contextmanager
def _shared_memory() -> Iterator[None]:
    name, value = _OWN_SETTINGS
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
