"""Reports a node's state on `~/status`, for late joiners too, and in the log."""

import re
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node

from sim2edge_ros.messages import topics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
_NUMBERS = re.compile(r"[\d.]+")


class Status:
    """Publishes the state when it has changed.

    Args:
        node: the node whose status it is.
        hardware: returns the robot's name, for people.
        values: returns what is published beside the message.
    """

    def __init__(
        self, node: Node, hardware: Callable[[], str], values: Callable[[], Mapping[str, str]]
    ) -> None:
        self._node, self._hardware, self._values = node, hardware, values
        self._publisher = node.create_publisher(DiagnosticStatus, "~/status", topics.LATCHED)
        self.level, self.message = OK, ""
        self._trouble = ""  # the last message that was not OK
        self._sent: object = None

    def report(self, level: bytes, message: str) -> None:
        """Reports a state; a message that differs in its numbers alone is not logged again."""
        if _NUMBERS.sub("", message) != _NUMBERS.sub("", self.message):
            self._log(level, message)
        self.level, self.message = level, message
        if level != OK:
            self._trouble = message
        self.publish()

    def _log(self, level: bytes, message: str) -> None:
        logger = self._node.get_logger()
        if level == OK:  # one call per severity: rclpy allows each line of code one severity only
            logger.info(message)
        elif level == WARN:
            logger.warning(message)
        else:
            logger.error(message)

    def publish(self) -> None:
        """Publishes the state if anything in it has changed."""
        status = self.current()
        if status != self._sent:
            self._sent = status
            self._publisher.publish(status)

    def current(self) -> DiagnosticStatus:
        """Returns the present state."""
        values = {**self._values(), "last_trouble": self._trouble}
        return DiagnosticStatus(
            level=self.level,
            name=self._node.get_fully_qualified_name(),
            message=self.message,
            hardware_id=self._hardware(),
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
