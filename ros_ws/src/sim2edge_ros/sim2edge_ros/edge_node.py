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
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from edge_runtime.errors import UserError
from edge_runtime.guard import Reaction
from edge_runtime.report import broken_rules
from sim2edge_ros.commands.commanders import commanders
from sim2edge_ros.diagnostics import Diagnostics
from sim2edge_ros.distro import steady_clock
from sim2edge_ros.drive import Drive
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.spin import spin
from sim2edge_ros.parameters import EdgeParameters, declare
from sim2edge_ros.transport import use_udp

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
        io.set_parameters([self.get_parameter("use_sim_time")])
        steady = steady_clock()
        self.create_timer(0.1, self._watch, clock=steady)
        self.create_timer(1.0, self._look_around, clock=steady)
        self._diagnostics_topic = self.create_publisher(
            DiagnosticArray, topics.DIAGNOSTICS, topics.STATE
        )
        self._diagnostics: Diagnostics | None = None
        for name, act in (
            ("load", self._load),
            ("shadow", self._shadow),
            ("promote", self._promote),
            ("roll_back", self._roll_back),
            ("reset", self._reset),
        ):
            self.create_service(Trigger, f"~/{name}", self._service(act))
        self._next_try = 0.0
        self._said = ""  # the last message
        self._latched = Reaction.NONE  # as it was told last
        self.refused = ""  # why it cannot be configured, where it starts by itself
        self._tell(DiagnosticStatus.OK, "unconfigured")

    # -- transitions -----------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self.parameters = self._read_parameters()
            self._drive = Drive(self._io, self.parameters)
            self._diagnostics = Diagnostics(self.get_fully_qualified_name(), self._drive)
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
        self._tell(DiagnosticStatus.OK, "inactive: stopped under control, commands have ended")
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
            elif self._drive.must_give_way:
                self._give_way(self._drive)
            elif self._drive.active:
                self._tell_reaction(self._drive)
        if self.parameters.autostart and time.monotonic() > self._next_try:
            self._try_to_start()

    def _give_way(self, drive: Drive) -> None:
        """Two may begin before they find each other; who came last ends."""
        drive.fall_silent()
        self.trigger_deactivate()
        self._refuse(f"gave way: {', '.join(drive.others)} commands this robot already")

    def _look_around(self) -> None:
        drive, diagnostics = self._drive, self._diagnostics
        if drive is None or diagnostics is None:
            return
        drive.look_around()
        message = DiagnosticArray(status=diagnostics.statuses(time.monotonic()))
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_topic.publish(message)

    def _tell_reaction(self, drive: Drive) -> None:
        """Tell when the guard reacts, and when it does not any more."""
        latched = drive.loop.guard.latched
        if latched is Reaction.NONE:
            self._tell(DiagnosticStatus.OK, "active")
        elif self._latched is not latched:
            why = "; ".join(broken_rules(drive.loop)[-2:])
            self._refuse(f"{latched.name.lower()}: {why}; call ~/reset to go on")
        self._latched = latched

    def _try_to_start(self) -> None:
        label = self.label
        if label == "unconfigured":
            if self.trigger_configure() is not SUCCESS:
                self.refused = self._said
        elif label == "inactive":
            self.trigger_activate()
        # Two that begin at the same time give way to each other, and then not again.
        self._next_try = time.monotonic() + random.uniform(0.3, 0.6)

    # -- services --------------------------------------------------------------------------

    def _service(self, act: Callable[[Drive], str]) -> Callable[[Any, Any], Any]:
        """A callback that answers with what was done, or why it was not."""

        def serve(request: Any, response: Any) -> Any:
            try:
                if self._drive is None:
                    raise UserError("the node is not configured")
                response.message, response.success = act(self._drive), True
            except UserError as error:
                response.message, response.success = str(error), False
                self.get_logger().error(str(error))
            return response

        return serve

    def _load(self, drive: Drive) -> str:
        drive.load(self._candidate())
        return f"{drive.policy.source} drives"

    def _shadow(self, drive: Drive) -> str:
        file = self._candidate()
        drive.try_out(file)
        return f"{file} is in shadow"

    def _promote(self, drive: Drive) -> str:
        drive.promote()
        return f"{drive.policy.source} drives"

    def _roll_back(self, drive: Drive) -> str:
        drive.roll_back()
        return f"{drive.policy.source} drives"

    def _reset(self, drive: Drive) -> str:
        if not drive.active:
            raise UserError("the node is not active, so there is nothing to reset")
        drive.loop.reset()
        return "starts anew from the next good sample"

    def _candidate(self) -> Path:
        file = str(self.get_parameter("candidate").value)
        if not file:
            raise UserError("parameter 'candidate' is empty; set it to a policy file (.onnx)")
        return Path(file)

    # -- parts -----------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The lifecycle's state."""
        return str(self._state_machine.current_state[1])

    def _read_parameters(self) -> EdgeParameters:
        values: dict[str, Any] = {
            name: self.get_parameter(name).value for name in EdgeParameters.__dataclass_fields__
        }
        return EdgeParameters(**values)

    def _clean_up(self) -> None:
        drive, self._drive, self._diagnostics = self._drive, None, None
        if drive is not None:
            if drive.active:
                drive.stop()
            drive.close()

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
    use_udp()
    context = Context()
    rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
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
    thread = spin(io, "sensors")
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    failed = False
    try:
        while not ending.is_set() and not node.refused:
            executor.spin_once(timeout_sec=0.2)
    except Exception:  # of a callback: who drives a robot brings it to rest first
        traceback.print_exc()
        failed = True
    if node.label == "active":
        node.trigger_deactivate()
    if node.label in ("unconfigured", "inactive"):
        node.trigger_shutdown()
    if node.refused:
        print(node.refused, file=sys.stderr, flush=True)
    rclpy.shutdown(context=context)
    thread.join(2.0)
    return REFUSED if node.refused else int(failed)


if __name__ == "__main__":
    sys.exit(main())
