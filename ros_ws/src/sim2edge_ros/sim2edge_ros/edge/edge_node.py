"""Drives a robot with a policy, as a managed node: `ros2 run sim2edge_ros edge_node`.

*Configure* loads and checks policy, estimator and parameters and subscribes to the sensors;
*activate* starts motion; *deactivate* brings the robot to rest and ends the commands. An error also
brings the robot to rest, as far as the loop still can, and leads to unconfigured.
"""

import functools
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter

from edge_runtime.console import plain
from edge_runtime.errors import UserError
from edge_runtime.report.run_report import reason
from edge_runtime.safety.rules import Reaction
from sim2edge_ros.commands.commanders import CommandedError, commanders
from sim2edge_ros.edge.diagnostics import Diagnostics
from sim2edge_ros.edge.drive import Drive
from sim2edge_ros.edge.policy_services import PolicyServices
from sim2edge_ros.edge.status import ERROR, OK, WARN, Status
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.spin import spin
from sim2edge_ros.node_process import (
    REFUSED,
    InterruptedBySignal,
    end_event,
    interruptible,
    raise_interruption,
    run_node,
    spin_until,
)
from sim2edge_ros.settings.declaring import declare, read
from sim2edge_ros.settings.distro import ROSError, steady_clock
from sim2edge_ros.settings.parameters import EdgeParameters

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
FAILED = TransitionCallbackReturn.ERROR
NAME = "edge_node"
_DISCOVERY = 1.5  # s in which other nodes are discovered
_SETTLED = 0.3  # s without a change of the graph of a new node, after which it is known
_PATIENCE = 3.0  # s, for which a graph that goes on changing is waited for
_GONE = 10.0  # s after its start during which a node waits for another to end
_ANY_TIME = ("candidate",)  # parameters that may be set at any time
_TIME = "use_sim_time"  # rclpy's parameter, for each node of the process
_Asked = ParamSpec("_Asked")
Transition = Callable[Concatenate["EdgeNode", _Asked], TransitionCallbackReturn]


def reports_errors(transition: Transition[_Asked]) -> Transition[_Asked]:
    """Reports the exception of a transition, which rclpy would swallow."""

    @functools.wraps(transition)
    def act(
        node: "EdgeNode", /, *given: _Asked.args, **more: _Asked.kwargs
    ) -> TransitionCallbackReturn:
        try:
            return transition(node, *given, **more)
        except Exception as error:
            raise_interruption(error)
            traceback.print_exc()
            node.status.report(ERROR, f"{type(error).__name__}: {error}")
            return FAILED

    return act


class EdgeNode(LifecycleNode):
    """Manages lifecycle, parameters and status; `Drive` does the work.

    Args:
        context: rclpy's context.
        io: the node of sensors and commands, spun by another thread.
        policies: the node of the services that change policies, spun by a third thread.
        name: name of this node.
    """

    def __init__(self, context: Context, io: Node, policies: Node, name: str = NAME) -> None:
        super().__init__(name, context=context)
        self._io, self._policies = io, policies
        self._born = time.monotonic()
        self._drive: Drive | None = None
        self._diagnostics: Diagnostics | None = None
        self.parameters = declare(self, EdgeParameters)
        self.status = Status(self, lambda: self.parameters.robot, self._details)
        self._share_time()
        self.add_on_set_parameters_callback(self._check_parameters)
        PolicyServices(policies, self, lambda: self._drive)
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._only_legal(service.callback)
        self._diagnostics_topic = io.create_publisher(
            DiagnosticArray, topics.DIAGNOSTICS, topics.STATE
        )
        steady = steady_clock()
        self.create_timer(0.1, self._follow, clock=steady)
        io.create_timer(0.1, self._watch, clock=steady)
        io.create_timer(1.0, self._look_around, clock=steady)
        # Whether the node configures and activates itself, until someone else takes it down.
        self._by_itself = self.parameters.autostart
        self._own_transition = False
        self._next_try = 0.0
        # The latched reaction and the crowded topics that were reported last.
        self._reported = Reaction.NONE, ""
        self.refused = ""  # why a node that starts by itself cannot be configured
        self.status.report(OK, "unconfigured")

    # -- transitions -----------------------------------------------------------------------

    @reports_errors
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the policy and connects to the topics; fails with the reason in the diagnostics."""
        try:
            self.parameters = read(self, EdgeParameters)
            self._share_time()
            with interruptible():  # nothing moves yet, and compiling may take a minute
                drive = Drive(self._io, self.parameters)
        except UserError as error:
            self.status.report(ERROR, f"not configured: {error}")
            return FAILURE
        self._diagnostics = Diagnostics(self._diagnosed, drive)
        self._drive = drive
        self.status.report(OK, f"configured: {plain(drive.policy.contract.task)}")
        return super().on_configure(state)

    @reports_errors
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts to drive the robot, unless another node commands it already."""
        assert self._drive is not None
        self._wait_for_discovery()
        try:
            self._drive.start()
        except UserError as error:
            if isinstance(error, CommandedError):
                # A node that was killed stays visible for a while. The node that was there first is
                # to stay, and when a person takes it down, no other may drive the robot in its
                # place.
                self._by_itself &= time.monotonic() - self._born < _GONE
            self.status.report(WARN, f"not activated: {error}")
            return FAILURE
        self._reported = Reaction.NONE, ""
        self.status.report(OK, "active")
        return super().on_activate(state)

    @reports_errors
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Brings the robot to rest and stops commanding it."""
        assert self._drive is not None
        self._stop_autostart_if_asked()
        self.status.report(OK, "coming to rest")
        damped = self._drive.loop.guard.latched is Reaction.DAMP
        error = self._drive.stop()
        if error is not None:
            self.status.report(ERROR, f"the control loop failed: {type(error).__name__}: {error}")
            return FAILED
        how = "the robot is damped" if damped else "stopped under control"
        self.status.report(OK, f"inactive: {how}, commands have ended")
        return super().on_deactivate(state)

    @reports_errors
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Releases the policy and the topics."""
        self._stop_autostart_if_asked()
        self._clean_up()
        self.status.report(OK, "unconfigured")
        return super().on_cleanup(state)

    @reports_errors
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Releases the policy and the topics for good."""
        self._stop_autostart_if_asked()
        self._clean_up()
        self.status.report(OK, "shut down")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Releases everything, so that the node can be configured anew by a person."""
        self._by_itself = False  # a person must look at what failed
        self._clean_up()
        return SUCCESS  # it becomes unconfigured and can be configured anew

    def trigger(self, transition: Callable[[], TransitionCallbackReturn]) -> bool:
        """Makes a transition on the node's own initiative; returns whether it succeeded."""
        self._own_transition = True
        try:
            return transition() is SUCCESS
        finally:
            self._own_transition = False

    # -- timers of this node's thread ------------------------------------------------------

    def _follow(self) -> None:
        """Reacts to failures, other commanders and the guard, and starts the node if it starts
        itself."""
        drive = self._drive
        if drive is not None:
            if drive.failed:
                self.trigger(self.trigger_deactivate)
            elif drive.must_give_way:
                self._give_way(drive)
            elif drive.robot.confused and drive.active:
                why = "; ".join(drive.robot.trouble())
                self._by_itself = False
                self.trigger(self.trigger_deactivate)
                self.status.report(ERROR, f"came to rest: {why}")
            elif drive.active:
                self._report_reaction(drive)
        if self._by_itself and time.monotonic() > self._next_try:
            self._try_to_start()
        self.status.publish()  # a transition may have ended, a policy may have been loaded

    def _give_way(self, drive: Drive) -> None:
        """Ends the drive: two nodes may begin before they discover each other, and the later one
        ends."""
        others = ", ".join(drive.others)
        drive.fall_silent()
        self.trigger(self.trigger_deactivate)
        self.status.report(ERROR, f"gave way: {others} commands this robot already")

    def _report_reaction(self, drive: Drive) -> None:
        """Reports when the guard reacts or two nodes publish a sensor, and when that has ended."""
        latched, crowd = drive.loop.guard.latched, "; ".join(s.trouble for s in drive.robot.crowded)
        if (latched, crowd) == self._reported:
            return
        self._reported = latched, crowd
        wrong = [crowd] if crowd else []
        if latched is not Reaction.NONE:
            wrong.append(f"{latched.name.lower()}: {reason(drive.loop)}; call ~/reset to go on")
        self.status.report(ERROR if wrong else OK, "; ".join(wrong) or "active")

    def _try_to_start(self) -> None:
        label = self.label
        if label == "unconfigured":
            if not self.trigger(self.trigger_configure):
                self.refused = self.status.message
        elif label == "inactive":
            self.trigger(self.trigger_activate)
        # Two nodes that begin at the same time give way to each other, but not a second time.
        self._next_try = time.monotonic() + random.uniform(0.3, 0.6)

    # -- timers of the other node's thread, which go on during a transition ----------------

    def _watch(self) -> None:
        if self._drive is not None:
            self._drive.watch()

    def _look_around(self) -> None:
        drive, diagnostics = self._drive, self._diagnostics
        node = self.status.current()
        node.name = f"{self._diagnosed}: node"
        message = DiagnosticArray(status=[node])
        if drive is not None and diagnostics is not None:
            drive.look_around()
            message.status = [node, *diagnostics.statuses(time.monotonic())]
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_topic.publish(message)

    # -- parts -----------------------------------------------------------------------------

    def _wait_for_discovery(self) -> None:
        """Waits until a new node knows the graph, which then changes no longer; a loaded machine
        takes its time."""
        seen, now, soonest = None, time.monotonic(), self._born + _DISCOVERY
        since, until = now, max(now, soonest) + _PATIENCE
        if now > self._born + _GONE:
            return
        while now < until and (now < soonest or now < since + _SETTLED):
            graph = sorted(self.get_node_names_and_namespaces()), commanders(self)
            if graph != seen:
                seen, since = graph, now
            time.sleep(0.02)
            now = time.monotonic()

    @property
    def label(self) -> str:
        """Returns the name of the lifecycle's state."""
        return str(self._state_machine.current_state[1])

    @property
    def _diagnosed(self) -> str:
        """Returns the node's name in /diagnostics, which has no leading slash there."""
        return str(self.get_fully_qualified_name().strip("/"))

    def _details(self) -> dict[str, str]:
        drive, policy = self._drive, self.parameters.policy
        values = {"state": self.label, "policy": policy}
        if drive is not None:
            values["policy"] = drive.policy.source
            values["policy_sha256"] = drive.policy.sha256
            values["fusion"] = drive.fusion_name
        return values

    def _only_legal(self, change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Refuses a transition that does not start from the present state, where rclpy would end
        the node."""

        def serve(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except ROSError:
                wanted = request.transition.label or request.transition.id
                self.get_logger().warning(f"there is no transition '{wanted}' from {self.label}")
                response.success = False
                return response

        return serve

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuses to set a parameter that is read at configuration only: it would
        have no effect."""
        late = [
            parameter.name
            for parameter in parameters
            if parameter.name in (*EdgeParameters.__dataclass_fields__, _TIME)
            and parameter.name not in _ANY_TIME
        ]
        if not late or self.label == "unconfigured":
            return SetParametersResult(successful=True)
        why = f"'{late[0]}' is read when the node is configured; deactivate and clean up first"
        return SetParametersResult(successful=False, reason=why)

    def _share_time(self) -> None:
        for node in (self._io, self._policies):
            node.set_parameters([self.get_parameter(_TIME)])

    def _stop_autostart_if_asked(self) -> None:
        if not self._own_transition:
            self._by_itself = False

    def _clean_up(self) -> None:
        drive, self._drive, self._diagnostics = self._drive, None, None
        if drive is not None:
            if drive.active:
                drive.stop()
            drive.close()


def main(arguments: list[str] | None = None) -> int:
    """Runs the node until it is asked to end, and brings the robot to rest first."""
    ending = end_event()

    def make(context: Context, name: str) -> Callable[[], int]:
        io, policies = (
            Node(f"{name}_{part}", context=context, start_parameter_services=False)
            for part in ("io", "policies")
        )
        node = EdgeNode(context, io, policies, name)
        return functools.partial(_serve, node, (io, policies), ending)

    return run_node(NAME, arguments, make)


def _serve(node: EdgeNode, parts: tuple[Node, ...], ending: threading.Event) -> int:
    """Serves all nodes until one fails, is refused or is asked to end; returns the exit code."""
    failures: list[Exception] = []
    threads = [spin(part, part.get_name(), failures.append) for part in parts]
    try:
        spin_until(lambda: ending.is_set() or bool(node.refused or failures), node)
    except InterruptedBySignal:
        pass
    except Exception as error:  # a callback's; a node that drives a robot brings it to rest first
        failures.append(error)
    for failure in failures:
        traceback.print_exception(failure)
    _end(node)
    rclpy.shutdown(context=node.context)
    for thread in threads:
        thread.join(2.0)
    return REFUSED if node.refused else int(bool(failures))


def _end(node: EdgeNode) -> None:
    """Brings the robot to rest, and prints why the node was refused if it was."""
    if node.label == "active":
        node.trigger(node.trigger_deactivate)
    if node.label in ("unconfigured", "inactive"):
        node.trigger(node.trigger_shutdown)
    if node.refused:
        print(node.refused, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
