"""Listens to a car's graph in a process of its own, and prints when messages were sent.

The lines are `sample TIME SPEED`, `command TIME VELOCITY` (of the wheels), `status TIME MESSAGE`.
Times are those of the senders, s since 1970, so that the time of reception does not matter; all
network namespaces share the clock. A line `reset` on stdin calls the edge node's service, and
`put_back` the simulator's.
"""

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Empty, Trigger

from sim2edge_ros.messages import topics
from sim2edge_ros.simulator.sensor_publisher import TRUTH


def main() -> int:
    """Runs until stdin ends."""
    context = rclpy.Context()  # pyright: ignore[reportPrivateImportUsage]
    rclpy.init(context=context)
    node = Node("observer", context=context)
    reset = node.create_client(Trigger, "edge_node/reset")
    put_back = node.create_client(Empty, "sim_node/reset")

    def subscribe(
        kind: type, topic: str, what: str, value: Callable[[Any], object], qos: QoSProfile
    ) -> None:
        def print_line(message: Any, about: dict[str, int]) -> None:
            sent = about["source_timestamp"] * 1e-9
            print(what, f"{sent:.6f}", value(message), flush=True)

        taken: Any = print_line  # rclpy's types omit the second argument
        node.create_subscription(kind, topic, taken, qos)

    subscribe(Odometry, TRUTH, "sample", lambda m: m.twist.twist.linear.x, topics.STATE)
    subscribe(Float64MultiArray, topics.VELOCITY, "command", lambda m: m.data[0], topics.STATE)
    subscribe(DiagnosticStatus, "edge_node/status", "status", lambda m: m.message, topics.LATCHED)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    for line in sys.stdin:
        if line.strip() == "reset":
            reset.call_async(Trigger.Request())
        if line.strip() == "put_back":
            put_back.call_async(Empty.Request())
    rclpy.shutdown(context=context)
    thread.join(2.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
