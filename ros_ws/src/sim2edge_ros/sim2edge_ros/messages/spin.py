"""Runs an executor in a thread of its own."""

import threading
from collections.abc import Callable
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


def spin(
    node: Node, name: str, failed: Callable[[Exception], None] = lambda error: None
) -> threading.Thread:
    """Serves a node's callbacks until its context is shut down or a callback raises.

    Args:
        node: the node, which no other executor may serve; other threads may create and destroy its
            entities.
        name: name of the thread.
        failed: called with the exception that a callback raised; the node is not served afterwards.
    """
    # The EventsExecutor of `rclpy.experimental` does not serve here: in Jazzy its `wake` hangs when
    # another thread creates a subscription or shuts down.
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
            # In every release rclpy raises when another thread destroys an entity while the
            # executor looks at it, and would serve the node no more. The next pass finds the entity
            # gone.
            continue
        except Exception as error:
            failed(error)
            return
