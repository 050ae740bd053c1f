"""What a node tells of itself: on `~/status`, for late joiners too, and in the log."""

import re
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.node import Node

from sim2edge_ros.messages import topics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
_NUMBERS = re.compile(r"[\d.]+")


class Status:
    """Publishes what has changed.

    Args:
        node: whose status it is.
        hardware: the robot, for people.
        values: what is told beside the message.
    """

    def __init__(
        self, node: Node, hardware: Callable[[], str], values: Callable[[], Mapping[str, str]]
    ) -> None:
        self._node, self._hardware, self._values = node, hardware, values
        self._publisher = node.create_publisher(DiagnosticStatus, "~/status", topics.LATCHED)
        self.level, self.message = OK, ""
        self._trouble = ""  # the last message that was not OK
        self._sent: object = None

    def tell(self, level: bytes, message: str) -> None:
        """Something happened; what differs in its numbers alone is not logged again."""
        if _NUMBERS.sub("", message) != _NUMBERS.sub("", self.message):
            self._log(level, message)
        self.level, self.message = level, message
        if level != OK:
            self._trouble = message
        self.publish()

    def _log(self, level: bytes, message: str) -> None:
        logger = self._node.get_logger()
        if level == OK:  # not chosen first and called once: rclpy wants a severity for each line
            logger.info(message)
        elif level == WARN:
            logger.warning(message)
        else:
            logger.error(message)

    def publish(self) -> None:
        """Send it if anything in it has changed."""
        status = self.current()
        if status != self._sent:
            self._sent = status
            self._publisher.publish(status)

    def current(self) -> DiagnosticStatus:
        """As it is now."""
        values = {**self._values(), "last_trouble": self._trouble}
        return DiagnosticStatus(
            level=self.level,
            name=self._node.get_fully_qualified_name(),
            message=self.message,
            hardware_id=self._hardware(),
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
