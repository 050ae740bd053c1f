"""Receives messages in a thread of its own, in a tenth of the time that an executor takes.

For each message rclpy's executor builds a wait set of all entities of its node, which costs more
than a tick of the control loop. This thread waits for a few subscriptions alone and takes all that
has arrived whenever it wakes.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

_LOOK = 100_000_000  # ns between two checks whether to end
_SUBSCRIPTION = "subscription"
_NUMBER = "publication_sequence_number"


class _OutsideExecutor(CallbackGroup):
    """Keeps the node's executor from serving the subscriptions of a `SubscriberThread`.

    This includes their events: in Fast DDS these share a condition with the messages, so that an
    executor that waits for the events would wake for each message, find nothing to do, and wake
    again until the message is taken.
    """

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return True

    def ending_execution(self, entity: Any) -> None:
        pass


class SubscriberThread:
    """Subscribes to topics and passes each message's bytes to a callback in its own thread.

    Args:
        node: the node that owns the subscriptions; its executor does not serve them.
        name: name of the thread.
    """

    def __init__(self, node: Node, name: str) -> None:
        self._node, self._name = node, name
        self._group = _OutsideExecutor()
        self._takers: list[tuple[Any, Any, Callable[[bytes, int | None], None]]] = []
        self._ending = False
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None  # the error that ended the thread

    def subscribe(
        self,
        kind: Any,
        topic: str,
        take: Callable[[bytes, int | None], None],
        qos: Any,
        events: Any = None,
    ) -> None:
        """Adds a subscription, before `start`; topics are served in the order in which they were
        added.

        Args:
            kind: class of the messages.
            topic: name of the topic.
            take: called with the bytes of each message, and its number in its publisher's count,
                None where the middleware does not say; it must not raise.
            qos: quality of service.
            events: callbacks for the middleware's events.
        """
        subscription = self._node.create_subscription(
            kind,
            topic,
            lambda message: None,
            qos,
            callback_group=self._group,
            event_callbacks=events,
            raw=True,
        )
        self._takers.append((subscription, kind, take))

    def start(self) -> None:
        """Starts to receive."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and destroys the subscriptions."""
        self._ending = True
        if self._thread is not None:
            self._thread.join()
        for subscription, _kind, _take in self._takers:
            self._node.destroy_subscription(subscription)
        self._takers.clear()

    def _run(self) -> None:
        context: Any = self._node.context
        try:
            with ExitStack() as stack:
                stack.enter_context(context.handle)
                for subscription, _kind, _take in self._takers:
                    stack.enter_context(subscription.handle)
                    for event in subscription.event_handlers:
                        stack.enter_context(event)
                self._take_all(context)
        except Exception as error:
            if context.ok():
                self.error = error

    def _take_all(self, context: Any) -> None:
        takers = [(s.handle, kind, take) for s, kind, take in self._takers]
        events = [event for s, _kind, _take in self._takers for event in s.event_handlers]
        # rclpy.wait_for_message does the same; there is no other way to wait without an executor.
        wait_set = rclpy_implementation.WaitSet(
            len(takers), 0, 0, 0, 0, len(events), context.handle
        )
        while not self._ending and context.ok():
            wait_set.clear_entities()
            for handle, _kind, _take in takers:
                wait_set.add_subscription(handle)
            for event in events:
                event.add_to_wait_set(wait_set)
            wait_set.wait(_LOOK)
            for index, (handle, kind, take) in enumerate(takers):
                if wait_set.is_ready(_SUBSCRIPTION, index):
                    while (taken := handle.take_message(kind, True)) is not None:
                        take(taken[0], taken[1].get(_NUMBER))
            for event in events:
                if event.is_ready(wait_set) and (happened := event.take_data()) is not None:
                    event.callback(happened)
