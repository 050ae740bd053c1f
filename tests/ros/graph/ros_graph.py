"""Starts a graph of nodes as a user does, and a probe that subscribes and publishes in it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ros_nodes.processes import Running

GRACE = 180.0  # s; a shared machine may be slow, and compile an estimator first


class Graph(Running):
    """Brings up nodes in a process of their own."""

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def until(self, said: str, patience: float = GRACE) -> None:
        """Waits until a line contains this."""
        end = time.monotonic() + patience
        while not any(said in line for line in list(self.lines)):
            assert self.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < end, f"it never said '{said}':\n{self.output}"
            time.sleep(0.05)

    def interrupt(self, probe: "Probe | None" = None) -> int:
        """Sends SIGINT and returns the exit code; a probe receives until the end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        if probe is not None:
            probe.until(lambda: self.process.poll() is not None, "the graph ends")
        return self.process.wait(GRACE)


@contextlib.contextmanager
def running(command: list[str], **environment: str) -> Iterator[Graph]:
    """Runs a graph that ends with the block, with its nodes."""
    graph = Graph(command, **environment)
    try:
        yield graph
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            graph.interrupt()
        if graph.process.poll() is None:
            os.killpg(graph.process.pid, signal.SIGKILL)


@contextlib.contextmanager
def up(*arguments: str) -> Iterator[Graph]:
    """Runs `sim2edge up`."""
    with running([sys.executable, "-m", "sim2edge", "up", *arguments]) as graph:
        yield graph


class Probe:
    """Subscribes to topics and calls services from the test's own node."""

    def __init__(self, node: Any) -> None:
        from rclpy.executors import SingleThreadedExecutor

        self.node = node
        self.received: dict[str, list[Any]] = {}
        self._executor = node.executor  # several probes may share a node
        if self._executor is None:
            self._executor = SingleThreadedExecutor(context=node.context)
            self._executor.add_node(node)

    def subscribe(self, topic: str, kind: Any, qos: Any = 10) -> None:
        messages: list[Any] = []
        self.received[topic] = messages
        self.node.create_subscription(kind, topic, messages.append, qos)

    def last(self, topic: str) -> Any:
        return self.received[topic][-1]

    def spin(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)
            each()

    def until(
        self,
        holds: Callable[[], bool],
        what: str,
        patience: float = GRACE,
        each: Callable[[], None] = lambda: None,
    ) -> None:
        """Spins until something holds."""
        end = time.monotonic() + patience
        while not holds():
            if time.monotonic() > end:
                pytest.fail(
                    f"never: {what}; received { {t: len(m) for t, m in self.received.items()} }"
                )
            self._executor.spin_once(timeout_sec=0.02)
            each()

    def call(self, service: str, kind: Any, request: Any = None) -> Any:
        client = self.node.create_client(kind, service)
        self.until(client.service_is_ready, f"{service} is there")
        future = client.call_async(request or kind.Request())
        self.until(future.done, f"{service} answers")
        self.node.destroy_client(client)
        return future.result()
