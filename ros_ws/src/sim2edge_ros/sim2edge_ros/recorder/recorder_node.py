"""Records topics as serialized bytes, in a process of its own: `ros2 run sim2edge_ros recorder`."""

import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from edge_runtime.errors import UserError
from sim2edge_ros.messages.tf_message import NAME as TF_MESSAGE
from sim2edge_ros.messages.tf_message import tf_message
from sim2edge_ros.node_process import end_event, run_node, spin_until
from sim2edge_ros.recorder.bag import Bag, Topic
from sim2edge_ros.recorder.bag_writer import BagWriter
from sim2edge_ros.recorder.definitions import definition
from sim2edge_ros.settings.declaring import declare
from sim2edge_ros.settings.parameters import RecorderParameters

NAME = "recorder"
_DEPTH = 200  # messages of a topic that may wait: a second of an IMU's
_TF_STATIC, _STATIC_FRAMES = "/tf_static", 100  # and how many of its messages are latched
# Topics that lie outside a robot's namespace.
_SHARED = ("/tf", _TF_STATIC, "/clock", "/diagnostics", "/rosout")
_NEVER = "/parameter_events"  # unless it is asked for by name


@dataclass(frozen=True)
class _Recorded:
    """Holds the subscription of a recorded topic."""

    topic: Topic
    qos: QoSProfile
    subscription: Any


class RecorderNode(Node):
    """Subscribes to topics as they appear, and hands each message's bytes to the bag.

    Raises:
        UserError: a parameter is wrong, or the folder cannot be written.
    """

    def __init__(self, context: Context, name: str = NAME) -> None:
        super().__init__(name, context=context)
        self.parameters = parameters = declare(self, RecorderParameters)
        try:
            self._wanted = re.compile(parameters.topics) if parameters.topics else None
        except re.error as error:
            raise UserError(
                f"parameter 'topics' is {parameters.topics!r}, which is no regular expression: "
                f"{error}"
            ) from None
        os.nice(parameters.nice)
        self._bag = Bag(parameters)
        for path, count in self._bag.recovered:
            self.get_logger().info(f"recovered {path}: {count} messages")
        self._writer = BagWriter(self._bag)
        self._unknown: dict[str, str] = {}  # topics that cannot be recorded, and why
        self._recorded: dict[str, _Recorded] = {}  # by topic
        # As they were logged last.
        self._logged_failure, self._logged_removed, self._logged_left_out = "", 0, 0
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(parameters.discovery_seconds, self.discover)
        self.create_timer(1.0, self._report)
        self.discover()
        self.get_logger().info(f"recording into {self._bag.path}")

    def discover(self) -> None:
        """Subscribes to the topics that have appeared since the last call."""
        for name, _types in self.get_topic_names_and_types():
            if not self._wants(name):
                continue
            # Only publishers count: a subscriber alone may expect a type that nobody sends.
            offered: dict[str, list[QoSProfile]] = {}
            for info in self.get_publishers_info_by_topic(name):
                offered.setdefault(info.topic_type, []).append(info.qos_profile)
            if offered:
                self._follow(name, offered)

    def close(self) -> None:
        """Finishes the bag."""
        if not self._writer.close():
            self.get_logger().error("the disk hangs; the next start finishes the bag")
        self.get_logger().info(f"{self._bag.path}: {self._described()}")

    def _wants(self, name: str) -> bool:
        if self._wanted is not None:
            return self._wanted.fullmatch(name) is not None
        if name == _NEVER:
            return False
        namespace = self.get_namespace().rstrip("/")
        return name.startswith(f"{namespace}/") or name in _SHARED

    def _follow(self, name: str, offered: dict[str, list[QoSProfile]]) -> None:
        """Receives from all publishers of a topic, with the one type that a bag may hold of it."""
        recorded = self._recorded.get(name)
        most = max(sorted(offered), key=lambda kind: len(offered[kind]))
        kind = recorded.topic.type if recorded else most
        for other in sorted(offered.keys() - {kind}):
            self._give_up(
                f"{name} [{other}]", f"{kind} is recorded, and a bag holds one type per topic"
            )
        if kind not in offered:
            return
        qos = qos_for(offered[kind])
        latched = _latched_messages(name, offered[kind])
        if recorded is None:
            self._begin(name, kind, qos, offered[kind], latched)
            return
        if latched > recorded.topic.latched:
            recorded = self._recorded[name] = replace(
                recorded, topic=replace(recorded.topic, latched=latched)
            )
            self._writer.add(recorded.topic)
        if not _receives_all(recorded.qos, qos):
            self.destroy_subscription(recorded.subscription)
            self._subscribe(recorded.topic, qos)

    def _begin(
        self, name: str, kind: str, qos: QoSProfile, offered: list[QoSProfile], latched: int
    ) -> None:
        what = f"{name} [{kind}]"
        if what in self._unknown:
            return
        try:
            topic = Topic(name, kind, definition(kind), qos_yaml(offered), latched)
            self._writer.add(topic)
            self._subscribe(topic, qos)
        except (LookupError, ImportError, AttributeError) as error:
            self._give_up(what, str(error))

    def _subscribe(self, topic: Topic, qos: QoSProfile) -> None:
        name = topic.name
        if topic.type == TF_MESSAGE and (made := tf_message()) is not None:
            message_class = made
        else:
            package, _, message = topic.type.split("/")
            message_class = getattr(importlib.import_module(f"{package}.msg"), message)
        put = partial(self._writer.put, name)
        subscription = self.create_subscription(message_class, name, put, qos, raw=True)
        self._recorded[name] = _Recorded(topic, qos, subscription)

    def _give_up(self, what: str, why: str) -> None:
        if what not in self._unknown:
            self._unknown[what] = why
            self.get_logger().warning(f"{what} is not recorded: {why}")

    def _log_changes(self) -> None:
        """Logs failures of the disk, files that were removed and latched messages too large."""
        logger, writer = self.get_logger(), self._writer
        if writer.failure != self._logged_failure:
            if writer.failure:
                logger.error(f"the disk fails: {writer.failure}; writing is retried")
            else:
                logger.info(f"the disk works again; {writer.lost} messages were lost")
            self._logged_failure = writer.failure
        removed = self._bag.removed[self._logged_removed :]
        if removed:
            self._logged_removed += len(removed)
            names = ", ".join(path.name for path in removed)
            limit = f"{self.parameters.total_mb:g}"
            logger.warning(f"removed, because all bags may take {limit} MB (total_mb): {names}")
        left_out = self._bag.left_out[self._logged_left_out :]
        if left_out:
            self._logged_left_out += len(left_out)
            logger.warning(
                f"{', '.join(left_out)}: too large to be repeated in each file of "
                f"{self.parameters.file_mb:g} MB (file_mb), so not every file shows it alone"
            )

    def _report(self) -> None:
        self._log_changes()
        writer = self._writer
        level, message = DiagnosticStatus.OK, "recording"
        if writer.lost or self._unknown:
            level, message = DiagnosticStatus.WARN, f"{writer.lost} messages lost"
        if writer.failure:
            level, message = DiagnosticStatus.ERROR, f"the disk fails: {writer.failure}"
        values = {
            "bag": str(self._bag.path),
            "topics": str(len(self._recorded)),
            "messages": str(self._bag.messages),
            "lost": str(writer.lost),
            "files_removed": str(len(self._bag.removed)),
            "slowest_flush_s": f"{writer.slowest:.3f}",
            "not_recorded": ", ".join(f"{n}: {why}" for n, why in self._unknown.items()),
        }
        status = DiagnosticStatus(
            level=level,
            name=self.get_fully_qualified_name().strip("/"),
            message=message,
            hardware_id="recorder",
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _described(self) -> str:
        return f"{self._bag.messages} messages, {self._writer.lost} lost"


def qos_for(offered: list[QoSProfile]) -> QoSProfile:
    """Returns the quality of service that receives from all: reliable or latched only if each of
    them is."""
    reliable = all(q.reliability == ReliabilityPolicy.RELIABLE for q in offered)
    latched = all(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in offered)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _latched_messages(name: str, offered: list[QoSProfile]) -> int:
    """Returns how many messages of a topic a late joiner receives: one of each latched publisher.

    Of `/tf_static`, whose publishers send whatever has changed, it is more.
    """
    publishers = sum(q.durability == DurabilityPolicy.TRANSIENT_LOCAL for q in offered)
    return _STATIC_FRAMES if publishers and name == _TF_STATIC else publishers


def _receives_all(mine: QoSProfile, needed: QoSProfile) -> bool:
    """Returns whether a subscription with `mine` receives all that one with `needed` does."""
    too_strict = mine.reliability != needed.reliability == ReliabilityPolicy.BEST_EFFORT
    too_late = mine.durability != needed.durability == DurabilityPolicy.VOLATILE
    return not too_strict and not too_late


def qos_yaml(offered: list[QoSProfile]) -> str:
    """Returns the offered profiles as rosbag2 writes them up to Jazzy, which later ones read; JSON
    is YAML."""

    def seconds(duration: Any) -> dict[str, int]:
        whole, rest = divmod(duration.nanoseconds, 10**9)
        return {"sec": whole, "nsec": rest}

    profiles = [
        {
            "history": int(q.history),
            "depth": q.depth,
            "reliability": int(q.reliability),
            "durability": int(q.durability),
            "deadline": seconds(q.deadline),
            "lifespan": seconds(q.lifespan),
            "liveliness": int(q.liveliness),
            "liveliness_lease_duration": seconds(q.liveliness_lease_duration),
            "avoid_ros_namespace_conventions": q.avoid_ros_namespace_conventions,
        }
        for q in offered
    ]
    return json.dumps(profiles)


def main(arguments: list[str] | None = None) -> int:
    """Records until the process is asked to end."""
    ending = end_event()

    def make(context: Context, name: str) -> Callable[[], None]:
        node = RecorderNode(context, name)

        def serve() -> None:
            spin_until(ending.is_set, node)
            node.close()

        return serve

    return run_node(NAME, arguments, make)


if __name__ == "__main__":
    sys.exit(main())
