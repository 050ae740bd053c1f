"""Messages come from another node over DDS into a thread of the subscriber's own."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="rclpy cannot be imported; pip install -e '.[ros]'")

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Float64MultiArray

from sim2edge_ros.messages import cdr, topics
from sim2edge_ros.messages.subscriber_thread import SubscriberThread
from sim2edge_ros.settings.distro import incompatible_qos

DEEP = QoSProfile(depth=100)


def wait_until(holds: Any, patience: float = 20.0) -> bool:
    end = time.monotonic() + patience
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(holds())


@pytest.fixture
def other(node: Any) -> Iterator[Any]:
    made = Node("other", context=node.context)
    yield made
    made.destroy_node()


def publish(other: Any, topic: str, values: range) -> None:
    publisher = other.create_publisher(Float64MultiArray, topic, DEEP)
    assert wait_until(lambda: publisher.get_subscription_count() == 1)
    for value in values:
        publisher.publish(Float64MultiArray(data=[float(value)]))


def test_all_messages_come_in_their_order(node: Any, other: Any) -> None:
    taken: list[float] = []
    numbers: list[int | None] = []
    threads = set()

    def take(data: bytes, number: int | None) -> None:
        numbers.append(number)
        taken.extend(cdr.unpack_array(data).tolist())
        threads.add(threading.current_thread().name)

    subscriber = SubscriberThread(node, "commands")
    subscriber.subscribe(Float64MultiArray, "numbers", take, DEEP)
    subscriber.start()
    publish(other, "numbers", range(80))
    assert wait_until(lambda: len(taken) == 80)
    assert taken == [float(n) for n in range(80)]
    assert numbers in (list(range(1, 81)), [None] * 80), "of the publisher's count, if any"
    assert threads == {"commands"}
    subscriber.close()
    assert subscriber.error is None
    assert node.count_subscribers("numbers") == 0


def test_a_publisher_with_incompatible_qos_is_reported(node: Any, other: Any) -> None:
    events: list[Any] = []
    subscriber = SubscriberThread(node, "sensors")
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscriber.subscribe(Float64MultiArray, "lasting", print, qos, incompatible_qos(events.append))
    subscriber.start()
    other.create_publisher(Float64MultiArray, "lasting", topics.STATE)
    assert wait_until(lambda: len(events) == 1)
    subscriber.close()


def test_the_executor_sleeps_while_messages_wait(node: Any, other: Any) -> None:
    """It would wake for each, find nothing to do, and keep the control loop from its time."""
    subscriber = SubscriberThread(node, "sensors")  # never started, so what comes stays where it is
    subscriber.subscribe(Float64MultiArray, "waiting", print, DEEP, incompatible_qos(print))
    publish(other, "waiting", range(10))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    executor.spin_once(timeout_sec=0.1)
    began = time.thread_time()
    executor.spin_once(timeout_sec=0.5)
    assert time.thread_time() - began < 0.05
    subscriber.close()


def test_it_ends_with_its_context(node: Any) -> None:
    from rclpy import Context, init, shutdown

    context = Context()
    init(context=context)
    own = Node("short", context=context)
    subscriber = SubscriberThread(own, "sensors")
    subscriber.subscribe(Float64MultiArray, "numbers", print, DEEP)
    subscriber.start()
    thread = next(t for t in threading.enumerate() if t.name == "sensors")
    shutdown(context=context)
    thread.join(5.0)
    assert not thread.is_alive()
    assert subscriber.error is None
