"""An executor in a thread of its own."""

import threading
from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


def spin(
    node: Node, name: str, failed: Callable[[Exception], None] = lambda error: None
) -> threading.Thread:
    """Serve a node's callbacks until its context is shut down, or one of them fails.

    Args:
        node: which no other executor has; other threads may make and destroy what it has.
        name: of the thread.
        failed: called with what a callback raised, after which nobody serves the node any more.
    """
    # Not the EventsExecutor of `rclpy.experimental`: in Jazzy, making a subscription or shutting
    # down from another thread than its own hangs in its `wake`.
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    thread = threading.Thread(target=_spin, args=(executor, failed), name=name, daemon=True)
    thread.start()
    return thread


def _spin(executor: Any, failed: Callable[[Exception], None]) -> None:
    while executor.context.ok():
        try:
            executor.spin()
        except (InvalidHandle, ExternalShutdownException):
            # rclpy fails, in every release, on what another thread destroys while it looks at it:
            # the node would be deaf from then on. The next look finds it gone.
            continue
        except Exception as error:
            failed(error)
            return
