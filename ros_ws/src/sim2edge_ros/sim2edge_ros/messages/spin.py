"""An executor in a thread of its own."""

import contextlib
import threading
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


def spin(node: Node, name: str) -> threading.Thread:
    """Serve a node's callbacks until its context is shut down.

    Args:
        node: which no other executor has; other threads may make and destroy what it has.
        name: of the thread.
    """
    # Not the EventsExecutor of `rclpy.experimental`: in Jazzy, making a subscription or shutting
    # down from another thread than its own hangs in its `wake`.
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    thread = threading.Thread(target=_spin, args=(executor,), name=name, daemon=True)
    thread.start()
    return thread


def _spin(executor: Any) -> None:
    while executor.context.ok():
        # rclpy fails, in every release, on what another thread destroys while it looks at it: the
        # node would be deaf from then on. The next look finds it gone.
        with contextlib.suppress(InvalidHandle, ExternalShutdownException):
            executor.spin()
