"""The managed node that drives a robot with a policy: `ros2 run sim2edge_ros edge_node`.

States: *configure* loads and checks policy, estimator and parameters and subscribes to the sensors;
*activate* starts motion; *deactivate* brings the robot to rest and ends commanding; an error does
so as far as the loop still can, and leads to unconfigured.
"""

import random
import signal
import sys
import threading
import time
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from edge_runtime.errors import UserError
from sim2edge_ros import topics
from sim2edge_ros.distro import make_executor
from sim2edge_ros.drive import Drive, commanders
from sim2edge_ros.parameters import EdgeParameters, declare

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR
REFUSED = 2  # exit code
_DISCOVERY = 1.5  # s in which other nodes are found


class EdgeNode(LifecycleNode):
    """Lifecycle, parameters, status; `Drive` does the work.

    Args:
        context: of rclpy.
        io: the node of sensors and commands, spun by another thread.
    """

    def __init__(self, context: Any, io: Node) -> None:
        super().__init__("edge_node", context=context)
        self._io = io
        self._born = time.monotonic()
        self._drive: Drive | None = None
        self._status = self.create_publisher(DiagnosticStatus, "~/status", topics.LATCHED)
        self.parameters = declare(self, EdgeParameters)
        self.create_timer(0.1, self._watch)
        self.create_timer(1.0, self._look_around)
        self._next_try = 0.0
        self.refused = ""  # why it cannot be configured, where it starts by itself
        self._tell(DiagnosticStatus.OK, "unconfigured")

    # -- transitions -----------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self.parameters = self._read_parameters()
            self._drive = Drive(self._io, self.parameters)
        except UserError as error:
            self._refuse(f"not configured: {error}")
            return FAILURE
        policy = self._drive.policy
        self._tell(DiagnosticStatus.OK, f"configured: {policy.contract.task}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._drive is not None
        time.sleep(max(0.0, _DISCOVERY - (time.monotonic() - self._born)))
        try:
            others = commanders(self)
            if others:
                raise UserError(f"{', '.join(others)} commands this robot already")
            self._drive.start()
        except UserError as error:
            self._refuse(f"not activated: {error}")
            return FAILURE
        self._tell(DiagnosticStatus.OK, "active")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._drive is not None
        self._tell(DiagnosticStatus.OK, "coming to rest")
        error = self._drive.stop()
        if error is not None:
            self._refuse(f"the control loop failed: {type(error).__name__}: {error}")
            return ERROR
        self._tell(DiagnosticStatus.OK, "inactive: the robot was left at rest")
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._clean_up()
        self._tell(DiagnosticStatus.OK, "unconfigured")
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._clean_up()
        self._tell(DiagnosticStatus.OK, "shut down")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._clean_up()
        return SUCCESS  # unconfigured, from where it can be configured anew

    # -- timers ----------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._drive is not None:
            self._drive.watch()
            if self._drive.failed:
                self.trigger_deactivate()
        if self.parameters.autostart and time.monotonic() > self._next_try:
            self._try_to_start()

    def _look_around(self) -> None:
        if self._drive is not None:
            self._drive.look_around()

    def _try_to_start(self) -> None:
        label = self.label
        if label == "unconfigured":
            if self.trigger_configure() is not SUCCESS:
                self.refused = self._said
        elif label == "inactive":
            self.trigger_activate()
        # Two that begin at the same time give way to each other, and then not again.
        self._next_try = time.monotonic() + random.uniform(0.3, 0.6)

    # -- parts -----------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The lifecycle's state."""
        return str(self._state_machine.current_state[1])

    def _read_parameters(self) -> EdgeParameters:
        names = list(EdgeParameters.__dataclass_fields__)
        return EdgeParameters(*(self.get_parameter(name).value for name in names))

    def _clean_up(self) -> None:
        drive, self._drive = self._drive, None
        if drive is not None:
            if drive.active:
                drive.stop()
            drive.close()

    _said = ""

    def _refuse(self, message: str) -> None:
        if message != self._said:
            self.get_logger().error(message)
        self._tell(DiagnosticStatus.ERROR, message)

    def _tell(self, level: bytes, message: str) -> None:
        if message == self._said:
            return
        self._said = message
        if level == DiagnosticStatus.OK:
            self.get_logger().info(message)
        values = {"state": self.label, "policy": self.parameters.policy}
        if self._drive is not None:
            values["policy_sha256"] = self._drive.policy.sha256
            values["fusion"] = self._drive.fusion_name
        self._status.publish(
            DiagnosticStatus(
                level=level,
                name=self.get_fully_qualified_name(),
                message=message,
                hardware_id=self.parameters.robot,
                values=[KeyValue(key=key, value=value) for key, value in values.items()],
            )
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM, which bring the robot to rest first."""
    context = rclpy.Context()
    rclpy.init(
        args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO
    )
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    io = Node("edge_io", context=context, start_parameter_services=False)
    try:
        node = EdgeNode(context, io)
    except UserError as error:
        print(f"edge_node: {error}", file=sys.stderr)
        io.destroy_node()
        rclpy.shutdown(context=context)
        return REFUSED
    sensors = make_executor(context)
    sensors.add_node(io)
    thread = threading.Thread(target=_spin, args=(sensors,), name="sensors", daemon=True)
    thread.start()
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    while not ending.is_set() and not node.refused:
        executor.spin_once(timeout_sec=0.2)
    if node.label == "active":
        node.trigger_deactivate()
    if node.label in ("unconfigured", "inactive"):
        node.trigger_shutdown()
    code = REFUSED if node.refused else 0
    sensors.shutdown()
    rclpy.shutdown(context=context)
    thread.join(2.0)
    return code


def _spin(executor: Any) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        pass


if __name__ == "__main__":
    sys.exit(main())
