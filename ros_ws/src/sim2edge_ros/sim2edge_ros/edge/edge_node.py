"""The managed node that drives a robot with a policy: `ros2 run sim2edge_ros edge_node`.

States: *configure* loads and checks policy, estimator and parameters and subscribes to the sensors;
*activate* starts motion; *deactivate* brings the robot to rest and ends commanding; an error does
so as far as the loop still can, and leads to unconfigured.
"""

import functools
import random
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter

from edge_runtime.errors import UserError
from edge_runtime.report.run_report import reason
from edge_runtime.safety.guard import Reaction
from sim2edge_ros.commands.commanders import commanders
from sim2edge_ros.edge.diagnostics import Diagnostics
from sim2edge_ros.edge.drive import Drive
from sim2edge_ros.edge.policy_services import PolicyServices
from sim2edge_ros.edge.status import ERROR, OK, WARN, Status
from sim2edge_ros.messages import topics
from sim2edge_ros.messages.spin import spin
from sim2edge_ros.processes.node_process import REFUSED, asked_to_end, initialize, refuse
from sim2edge_ros.settings.declaring import declare
from sim2edge_ros.settings.distro import ROSError, steady_clock
from sim2edge_ros.settings.parameters import EdgeParameters

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
FAILED = TransitionCallbackReturn.ERROR
NAME = "edge_node"
_DISCOVERY = 1.5  # s in which other nodes are found
_GONE = 10.0  # s after its birth in which a node waits for another to be gone
_ANY_TIME = ("candidate",)  # parameters that count whenever they are set
_TIME = "use_sim_time"  # of rclpy, for each node of the process
_Asked = ParamSpec("_Asked")
Transition = Callable[Concatenate["EdgeNode", _Asked], TransitionCallbackReturn]


def told(transition: Transition[_Asked]) -> Transition[_Asked]:
    """A transition of which rclpy would swallow an exception."""

    @functools.wraps(transition)
    def act(
        node: "EdgeNode", /, *given: _Asked.args, **more: _Asked.kwargs
    ) -> TransitionCallbackReturn:
        try:
            return transition(node, *given, **more)
        except Exception as error:
            traceback.print_exc()
            node.status.tell(ERROR, f"{type(error).__name__}: {error}")
            return FAILED

    return act


class EdgeNode(LifecycleNode):
    """Lifecycle, parameters, status; `Drive` does the work.

    Args:
        context: of rclpy.
        io: the node of sensors and commands, spun by another thread.
        policies: the node of the services that change policies, spun by a third.
        name: its own.
    """

    def __init__(self, context: Context, io: Node, policies: Node, name: str = NAME) -> None:
        super().__init__(name, context=context)
        self._io, self._policies = io, policies
        self._born = time.monotonic()
        self._drive: Drive | None = None
        self._diagnostics: Diagnostics | None = None
        self.parameters = declare(self, EdgeParameters)
        self.status = Status(self, lambda: self.parameters.robot, self._about)
        self._share_time()
        self.add_on_set_parameters_callback(self._check_parameters)
        PolicyServices(policies, self, lambda: self._drive)
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._legal(service.callback)
        self._diagnostics_topic = io.create_publisher(
            DiagnosticArray, topics.DIAGNOSTICS, topics.STATE
        )
        steady = steady_clock()
        self.create_timer(0.1, self._follow, clock=steady)
        io.create_timer(0.1, self._watch, clock=steady)
        io.create_timer(1.0, self._look_around, clock=steady)
        # Whether it configures and activates itself; an outsider who takes it down ends that.
        self._by_itself = self.parameters.autostart
        self._own_transition = False
        self._next_try = 0.0
        self._latched = Reaction.NONE  # as it was told last
        self.refused = ""  # why it cannot be configured, where it starts by itself
        self.status.tell(OK, "unconfigured")

    # -- transitions -----------------------------------------------------------------------

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            self.parameters = self._read_parameters()
            self._share_time()
            drive = Drive(self._io, self.parameters)
        except UserError as error:
            self.status.tell(ERROR, f"not configured: {error}")
            return FAILURE
        self._diagnostics = Diagnostics(self.get_fully_qualified_name(), drive)
        self._drive = drive
        self.status.tell(OK, f"configured: {drive.policy.contract.task}")
        return super().on_configure(state)

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._drive is not None
        time.sleep(max(0.0, _DISCOVERY - (time.monotonic() - self._born)))
        try:
            others = commanders(self)
            if others:
                # A node that was killed is seen for a while. Who is there longer is to stay, and
                # when a person takes it down, none must drive the robot in its place.
                self._by_itself &= time.monotonic() - self._born < _GONE
                raise UserError(f"{', '.join(others)} commands this robot already")
            self._drive.start()
        except UserError as error:
            self.status.tell(WARN, f"not activated: {error}")
            return FAILURE
        self._latched = Reaction.NONE
        self.status.tell(OK, "active")
        return super().on_activate(state)

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._drive is not None
        self._stop_autostart_if_asked()
        self.status.tell(OK, "coming to rest")
        damped = self._drive.loop.guard.latched is Reaction.DAMP
        error = self._drive.stop()
        if error is not None:
            self.status.tell(ERROR, f"the control loop failed: {type(error).__name__}: {error}")
            return FAILED
        how = "the robot is damped" if damped else "stopped under control"
        self.status.tell(OK, f"inactive: {how}, commands have ended")
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_autostart_if_asked()
        self._clean_up()
        self.status.tell(OK, "unconfigured")
        return super().on_cleanup(state)

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_autostart_if_asked()
        self._clean_up()
        self.status.tell(OK, "shut down")
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._by_itself = False  # what failed is for a person to look at
        self._clean_up()
        return SUCCESS  # unconfigured, from where it can be configured anew

    def trigger(self, transition: Callable[[], TransitionCallbackReturn]) -> bool:
        """A transition that the node makes by itself; whether it came about."""
        self._own_transition = True
        try:
            return transition() is SUCCESS
        finally:
            self._own_transition = False

    # -- timers of this node's thread ------------------------------------------------------

    def _follow(self) -> None:
        """Draw the conclusions of what goes on."""
        drive = self._drive
        if drive is not None:
            if drive.failed:
                self.trigger(self.trigger_deactivate)
            elif drive.must_give_way:
                self._give_way(drive)
            elif drive.active:
                self._tell_reaction(drive)
        if self._by_itself and time.monotonic() > self._next_try:
            self._try_to_start()
        self.status.publish()  # a transition's end, a policy that was loaded

    def _give_way(self, drive: Drive) -> None:
        """Two may begin before they find each other; who came last ends."""
        others = ", ".join(drive.others)
        drive.fall_silent()
        self.trigger(self.trigger_deactivate)
        self.status.tell(ERROR, f"gave way: {others} commands this robot already")

    def _tell_reaction(self, drive: Drive) -> None:
        """Tell when the guard reacts, and when it does not any more."""
        latched = drive.loop.guard.latched
        if latched is self._latched:
            return
        self._latched = latched
        if latched is Reaction.NONE:
            self.status.tell(OK, "active")
        else:
            why = f"{latched.name.lower()}: {reason(drive.loop)}"
            self.status.tell(ERROR, f"{why}; call ~/reset to go on")

    def _try_to_start(self) -> None:
        label = self.label
        if label == "unconfigured":
            if not self.trigger(self.trigger_configure):
                self.refused = self.status.message
        elif label == "inactive":
            self.trigger(self.trigger_activate)
        # Two that begin at the same time give way to each other, and then not again.
        self._next_try = time.monotonic() + random.uniform(0.3, 0.6)

    # -- timers of the other node's thread, which go on during a transition ----------------

    def _watch(self) -> None:
        if self._drive is not None:
            self._drive.watch()

    def _look_around(self) -> None:
        drive, diagnostics = self._drive, self._diagnostics
        node = self.status.current()
        node.name = f"{node.name}: node"
        message = DiagnosticArray(status=[node])
        if drive is not None and diagnostics is not None:
            drive.look_around()
            message.status = [node, *diagnostics.statuses(time.monotonic())]
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics_topic.publish(message)

    # -- parts -----------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The lifecycle's state."""
        return str(self._state_machine.current_state[1])

    def _about(self) -> dict[str, str]:
        drive, policy = self._drive, self.parameters.policy
        values = {"state": self.label, "policy": policy}
        if drive is not None:
            values["policy"] = drive.policy.source
            values["policy_sha256"] = drive.policy.sha256
            values["fusion"] = drive.fusion_name
        return values

    def _legal(self, change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """rclpy raises where no such transition starts from the state, which would end the node."""

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
        """What counts at configuration is not set later: it would do nothing."""
        late = [
            parameter.name
            for parameter in parameters
            if parameter.name in (*EdgeParameters.__dataclass_fields__, _TIME)
            and parameter.name not in _ANY_TIME
        ]
        if not late or self.label == "unconfigured":
            return SetParametersResult(successful=True)
        why = f"'{late[0]}' counts when the node is configured; deactivate and clean up first"
        return SetParametersResult(successful=False, reason=why)

    def _share_time(self) -> None:
        for node in (self._io, self._policies):
            node.set_parameters([self.get_parameter(_TIME)])

    def _read_parameters(self) -> EdgeParameters:
        values: dict[str, Any] = {
            name: self.get_parameter(name).value for name in EdgeParameters.__dataclass_fields__
        }
        return EdgeParameters(**values)

    def _stop_autostart_if_asked(self) -> None:
        if not self._own_transition:
            self._by_itself = False

    def _clean_up(self) -> None:
        drive, self._drive, self._diagnostics = self._drive, None, None
        if drive is not None:
            if drive.active:
                drive.stop()
            drive.close()


def split_name(arguments: list[str]) -> tuple[str, list[str]]:
    """The node's name among the arguments, and the others.

    A rule such as `-r __node:=NAME`, which `launch` writes, would hold for all of the process.
    """
    name, rest = NAME, list[str]()
    for argument in arguments:
        rule, _, value = argument.partition(":=")
        if rule in ("__node", "__name") and rest and rest[-1] in ("-r", "--remap"):
            rest.pop()
            name = value
        else:
            rest.append(argument)
    return name, rest


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is asked to end, and bring the robot to rest first."""
    ending = asked_to_end()
    context = Context()
    name, rest = split_name(sys.argv if arguments is None else arguments)
    try:
        initialize(context, rest)
        io, policies = (
            Node(f"{name}_{part}", context=context, start_parameter_services=False)
            for part in ("io", "policies")
        )
        node = EdgeNode(context, io, policies, name)
    except UserError as error:
        return refuse(context, name, error)
    failures: list[Exception] = []
    threads = [spin(part, part.get_name(), failures.append) for part in (io, policies)]
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        while not ending.is_set() and not node.refused and not failures:
            executor.spin_once(timeout_sec=0.2)
    except Exception as error:  # of a callback: who drives a robot brings it to rest first
        failures.append(error)
    for failure in failures:
        traceback.print_exception(failure)
    _end(node)
    rclpy.shutdown(context=context)
    for thread in threads:
        thread.join(2.0)
    return REFUSED if node.refused else int(bool(failures))


def _end(node: EdgeNode) -> None:
    """Bring the robot to rest and say why, if the node was refused."""
    if node.label == "active":
        node.trigger(node.trigger_deactivate)
    if node.label in ("unconfigured", "inactive"):
        node.trigger(node.trigger_shutdown)
    if node.refused:
        print(node.refused, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
