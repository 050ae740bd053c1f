"""A thread that takes messages as they come: what an executor does, in a tenth of its time.

rclpy's executor builds a wait set of everything its node has for each message it takes, which costs
more than a control loop's tick. This one waits for some subscriptions alone, and takes all that has
come whenever it wakes.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

_LOOK = 100_000_000  # ns between two looks at whether to end
_SUBSCRIPTION = "subscription"


class _Apart(CallbackGroup):
    """What a node's executor leaves to the subscriber thread.

    The events too: in Fast DDS they share a condition with the messages, so who waits for the
    events wakes for each message, finds nothing to do, and does so again until it is taken.
    """

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return True

    def ending_execution(self, entity: Any) -> None:
        pass


class SubscriberThread:
    """Subscribes, and calls back with each message's bytes in its own thread.

    Args:
        node: whose subscriptions they are; its executor has nothing to do with them.
        name: of the thread.
    """

    def __init__(self, node: Node, name: str) -> None:
        self._node, self._name = node, name
        self._group = _Apart()
        self._takers: list[tuple[Any, Any, Callable[[bytes], None]]] = []
        self._ending = False
        self._thread: threading.Thread | None = None
        self.error: Exception | None = None  # that ended the thread

    def subscribe(
        self,
        kind: Any,
        topic: str,
        take: Callable[[bytes], None],
        qos: Any,
        events: Any = None,
    ) -> None:
        """Before `start`; what was subscribed first is taken first.

        Args:
            kind: class of the messages.
            topic: their topic.
            take: called with each; it must not raise.
            qos: quality of service.
            events: callbacks of the middleware's events.
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
        """Take messages from now on."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more."""
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
        # As rclpy.wait_for_message makes it; there is no other way to wait without an executor.
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
                        take(taken[0])
            for event in events:
                if event.is_ready(wait_set) and (happened := event.take_data()) is not None:
                    event.callback(happened)
