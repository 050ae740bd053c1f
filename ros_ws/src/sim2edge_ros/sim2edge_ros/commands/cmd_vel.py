"""What the operator asks for: `cmd_vel` as the policy's commands."""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node

from edge_runtime.contract import Command
from edge_runtime.errors import UserError
from edge_runtime.signal import Array
from sim2edge_ros.distro import ROSError
from sim2edge_ros.messages import topics

AUTO = "auto"
KINDS: dict[str, type[Any]] = {"twist": Twist, "twist_stamped": TwistStamped}
_TYPES = {"geometry_msgs/msg/Twist": "twist", "geometry_msgs/msg/TwistStamped": "twist_stamped"}
# Where a policy's command is in a Twist (REP-103: x forward, y left, z up).
_PLACES = {"forward": 0, "lateral": 1, "yaw_rate": 5}
_AXES = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")


class CmdVel:
    """Takes velocity commands and asks for zero when they cease.

    Args:
        node: on which to subscribe.
        commands: the policy's; there may be none, then nothing is subscribed.
        kind: "twist", "twist_stamped", or "auto" for what somebody publishes.
        default: the kind as long as nobody publishes.
        timeout: s without a command after which zero is asked for.
        ask: called with new commands, (commands,).

    Raises:
        UserError: the policy has a command that is none of a Twist's, or there is no such kind.
    """

    def __init__(
        self,
        node: Node,
        commands: tuple[Command, ...],
        kind: str,
        default: str,
        timeout: float,
        ask: Callable[[Array], None],
    ) -> None:
        unknown = [c.name for c in commands if c.name not in _PLACES]
        if unknown:
            raise UserError(
                f"the policy's command '{unknown[0]}' has no place in {topics.CMD_VEL}; "
                f"there are {', '.join(_PLACES)}"
            )
        if kind != AUTO and kind not in KINDS:
            raise UserError(
                f"parameter 'cmd_vel_type' is '{kind}'; there are {AUTO}, {', '.join(KINDS)}"
            )
        self._node, self._timeout, self._ask = node, timeout, ask
        self._places = [_PLACES[c.name] for c in commands]
        self._auto = kind == AUTO
        self.kind = ""
        self.complaint = ""  # against the last message
        self.rejected = 0
        self.enabled = True  # whether messages are heeded
        self._last = -math.inf  # s, when the last good one came
        self._at_rest = True
        self._subscription: Any = None
        self._wanted = default if self._auto else kind
        if commands:
            self._subscribe()

    def follow_publishers(self) -> None:
        """Listen to what is published, if that is left to us; once a second is enough."""
        if not self._places:
            return
        if self._auto:
            topic = self._node.resolve_topic_name(topics.CMD_VEL)
            infos = self._node.get_publishers_info_by_topic(topic)
            found = {_TYPES[info.topic_type] for info in infos if info.topic_type in _TYPES}
            if found and self._wanted not in found:
                self._wanted = sorted(found)[0]
        if self.kind != self._wanted:
            self._subscribe()

    def check_timeout(self) -> None:
        """Ask for zero if commands have ceased."""
        if not self._at_rest and self.enabled and self._now() - self._last > self._timeout:
            self._at_rest = True
            self._ask(np.zeros(len(self._places), np.float32))

    def close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _subscribe(self) -> None:
        self.close()
        self.kind = ""
        # The one before lives until the executor has let go of it, and so long none of another type
        # can be made: the next look tries again.
        with contextlib.suppress(ROSError):
            self._subscription = self._node.create_subscription(
                KINDS[self._wanted], topics.CMD_VEL, self._take, topics.STATE
            )
            self.kind = self._wanted

    def _now(self) -> float:
        return self._node.get_clock().now().nanoseconds * 1e-9

    def _take(self, message: Any) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        linear, angular = twist.linear, twist.angular
        values = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
        wrong = [axis for axis, value in zip(_AXES, values) if not math.isfinite(value)]
        if wrong:
            self.rejected += 1
            self.complaint = f"{wrong[0]} is no number"
            return
        self.complaint = ""
        self._last = self._now()
        if self.enabled:
            self._at_rest = False
            self._ask(np.array([values[place] for place in self._places], np.float32))
