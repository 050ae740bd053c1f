"""Listens to a graph and commands it, as a node of its own. Part of `ros.py`."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ros_nodes.processes import wait_until
from sim2edge_ros.messages import topics

_PATIENCE = 20.0  # s for a service


class Listener:
    """Keeps the newest diagnostics; subscribes to topics, publishes commands and calls services.

    Its thread runs at a normal priority, so that it takes no time from what is measured.
    """

    def __enter__(self) -> "Listener":
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("benchmark", context=self._context)
        self._diagnostics: dict[str, tuple[float, dict[str, str]]] = {}
        self.node.create_subscription(
            DiagnosticArray, topics.DIAGNOSTICS, self._take_diagnostics, topics.STATE
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.shutdown(context=self._context)
        self._thread.join()

    def diagnostics(self, part: str) -> dict[str, str]:
        """Returns the values of a status that is published from now on.

        Args:
            part: how the name of the status ends.
        """
        begun = time.monotonic()

        def updated() -> bool:
            return self._diagnostics.get(part, (0.0, {}))[0] > begun

        wait_until(updated, f"diagnostics of '{part}' came")
        return self._diagnostics[part][1]

    def subscribe(self, kind: Any, topic: str, take: Callable[[Any], None]) -> None:
        """Calls back with each message."""
        self.node.create_subscription(kind, topic, take, topics.SENSOR)

    def drive(self, forward: Callable[[], tuple[float, float, float]]) -> None:
        """Publishes on `cmd_vel` ten times a second: forward, lateral and yaw rate of
        that moment."""
        publisher = self.node.create_publisher(Twist, topics.CMD_VEL, topics.STATE)

        def speak() -> None:
            message = Twist()
            message.linear.x, message.linear.y, message.angular.z = forward()
            publisher.publish(message)

        self.node.create_timer(0.1, speak)

    def call(self, kind: Any, service: str, request: Any = None) -> Any:
        """Returns the answer of a service."""
        client = self.node.create_client(kind, service)
        wait_until(client.service_is_ready, f"{service} is there", _PATIENCE)
        future = client.call_async(request or kind.Request())
        wait_until(future.done, f"{service} answers", _PATIENCE)
        self.node.destroy_client(client)
        return future.result()

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            part = status.name.partition(": ")[2]
            self._diagnostics[part] = (time.monotonic(), values)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()
