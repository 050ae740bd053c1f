"""Turns the operator's `cmd_vel` into the policy's commands."""

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind

from edge_runtime.errors import UserError
from edge_runtime.policy.contract import Command
from edge_runtime.signals import Array
from sim2edge_ros.messages import topics
from sim2edge_ros.settings.distro import ROSError, incompatible_qos

AUTO = "auto"
KINDS: dict[str, type[Any]] = {"twist": Twist, "twist_stamped": TwistStamped}
_TYPES = {"geometry_msgs/msg/Twist": "twist", "geometry_msgs/msg/TwistStamped": "twist_stamped"}
# Where each of a policy's commands is in a Twist (REP-103: x forward, y left, z up).
_PLACES = {"forward": 0, "lateral": 1, "yaw_rate": 5}
_AXES = ("linear.x", "linear.y", "linear.z", "angular.x", "angular.y", "angular.z")
_LETS_GO = 0.2  # s that an executor needs to release a destroyed subscription
_TOLD = 2.0  # s for which a complaint is shown after the last message


class CmdVel:
    """Receives velocity commands and asks for zero velocity when they cease.

    As the controllers of ros2_control do, it refuses a stamped command that is older than the time-
    out, and one that lies as far in the future, for its age is unknown; a stamp of zero counts as
    no stamp. The controller clips what is outside the range in which the policy was trained;
    `complaint` says so.

    Args:
        node: the node that owns the subscription.
        commands: the policy's commands; without any, nothing is subscribed.
        kind: "twist", "twist_stamped", or "auto" for the type that is published.
        default: the type as long as nothing is published.
        timeout: s without a command after which zero velocity is asked for.
        ask: called with new commands, (commands,).

    Raises:
        UserError: a Twist has no field for one of the policy's commands.
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
        self._node, self._timeout, self._ask = node, timeout, ask
        self._places = [_PLACES[c.name] for c in commands]
        self._ranges = {_AXES[_PLACES[c.name]]: c for c in commands}
        self._simulated_time = bool(node.get_parameter("use_sim_time").value)
        self._auto = kind == AUTO
        self.kind = ""
        self.complaint = ""  # what is wrong with the last message, or what was changed in it
        self.incompatible = ""  # the quality of service of a publisher that cannot be received
        self.mixed = ""  # types that are published and not heard
        self.rejected = 0
        self.enabled = True  # whether messages take effect
        # S, when the last valid message came, and the last of all
        self._last = self._arrived = -math.inf
        self._at_rest = True
        self._subscription: Any = None
        # s on the monotonic clock, from when the topic may have another type
        self._free = -math.inf
        self._wanted = default if self._auto else kind
        if commands:
            self._subscribe()

    def follow_publishers(self) -> None:
        """Subscribes to the published type if `kind` is "auto"; once a second is enough."""
        if not self._places:
            return
        topic = self._node.resolve_topic_name(topics.CMD_VEL)
        published = {i.topic_type for i in self._node.get_publishers_info_by_topic(topic)}
        found = {_TYPES[kind] for kind in published if kind in _TYPES}
        if self._auto and found and self._wanted not in found:
            self._wanted = sorted(found)[0]
        unheard = sorted(kind for kind in published if _TYPES.get(kind) != self._wanted)
        self.mixed = f"{' and '.join(unheard)} is published there too, and not heard"
        if not unheard:
            self.mixed = ""
        if self.kind != self._wanted:
            # The old subscription lives until the executor has released it, and until then none of
            # another type can be made; `check_timeout` makes it.
            self.close()

    def check_timeout(self) -> None:
        """Asks for zero velocity when commands have ceased, and subscribes anew; some ten calls a
        second."""
        if self._places and self._subscription is None:
            self._subscribe()
        now = self._now()
        # Simulated time may begin anew.
        self._last, self._arrived = min(self._last, now), min(self._arrived, now)
        if now - self._arrived > max(self._timeout, _TOLD):
            self.complaint = ""
        if not self._at_rest and self.enabled and now - self._last > self._timeout:
            self._at_rest = True
            self._ask(np.zeros(len(self._places), np.float32))

    def close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription, self.kind = None, ""
            self._free = time.monotonic() + _LETS_GO

    def _subscribe(self) -> None:
        def report(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            self.incompatible = f"a publisher's quality of service does not fit ({policy})"

        if time.monotonic() < self._free:
            return
        with contextlib.suppress(ROSError):  # a subscription of another type is still there
            self._subscription = self._node.create_subscription(
                KINDS[self._wanted],
                topics.CMD_VEL,
                self._take,
                topics.SENSOR,  # best effort receives from every publisher
                event_callbacks=incompatible_qos(report),
            )
            self.kind = self._wanted

    def _now(self) -> float:
        """Returns the time in s, of the monotonic clock unless time is simulated."""
        if not self._simulated_time:
            return time.monotonic()
        return self._stamped_now()

    def _stamped_now(self) -> float:
        return float(self._node.get_clock().now().nanoseconds) * 1e-9

    def _take(self, message: Any) -> None:
        twist = message.twist if isinstance(message, TwistStamped) else message
        linear, angular = twist.linear, twist.angular
        values = (linear.x, linear.y, linear.z, angular.x, angular.y, angular.z)
        self._arrived = self._now()
        why = self._judge_numbers(values) or self._judge_age(message)
        if why:
            self.rejected += 1
            self.complaint = why
            return
        self.complaint = self._clipped(dict(zip(_AXES, values)))
        self._last = self._arrived
        if self.enabled:
            self._at_rest = False
            self._ask(np.array([values[place] for place in self._places], np.float32))

    def _judge_numbers(self, values: tuple[float, ...]) -> str:
        wrong = [axis for axis, value in zip(_AXES, values) if not math.isfinite(value)]
        return f"{wrong[0]} is not a number" if wrong else ""

    def _judge_age(self, message: Any) -> str:
        if not isinstance(message, TwistStamped):
            return ""
        stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        age = self._stamped_now() - stamp
        if not stamp or abs(age) <= self._timeout:
            return ""
        off = f"{age:.3g} s old" if age > 0 else f"{-age:.3g} s ahead"
        return f"its stamp is {off}, more than cmd_vel_timeout; set the sender's clock"

    def _clipped(self, values: dict[str, float]) -> str:
        for axis, command in self._ranges.items():
            lower, upper = command.lower, command.upper
            if not lower <= values[axis] <= upper:
                within = f"{lower:g} to {upper:g} {command.unit}"
                return f"{axis} {values[axis]:g} is clipped to {within}, the policy's range"
        return ""
