"""A node is served by a thread of its own while other threads destroy its entities."""

import time
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

import rclpy
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.waitable import NumberOfEntities, Waitable

from sim2edge_ros.messages.spin import spin


class Destroyed(Waitable):
    """As an event of a publisher that another thread destroys while the executor looks at it."""

    def __init__(self, node: Any) -> None:
        super().__init__(node.default_callback_group)
        self.looks = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *what: object) -> None:
        pass

    def get_num_entities(self) -> Any:
        return NumberOfEntities()

    def add_to_wait_set(self, wait_set: Any) -> None:
        self.looks += 1
        if self.looks < 3:
            raise InvalidHandle("cannot use Destroyable because destruction was requested")

    def is_ready(self, wait_set: Any) -> bool:
        return False


def test_it_continues_when_an_entity_is_destroyed(node: Any) -> None:
    destroyed, fired = Destroyed(node), []
    node.add_waitable(destroyed)
    node.create_timer(0.01, lambda: fired.append(destroyed.looks))
    thread = spin(node, "executor")
    end = time.monotonic() + 20.0
    while not fired and thread.is_alive() and time.monotonic() < end:
        time.sleep(0.01)
    assert fired and fired[0] >= 3
    assert thread.is_alive()


def test_it_ends_with_its_context() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    own = Node("short", context=context)
    thread = spin(own, "executor")
    time.sleep(0.1)
    assert thread.is_alive()
    rclpy.shutdown(context=context)
    thread.join(5.0)
    assert not thread.is_alive()
    own.destroy_node()
