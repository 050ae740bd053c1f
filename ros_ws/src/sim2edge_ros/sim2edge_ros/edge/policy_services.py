"""Serves changes of the policy during operation: load, shadow, canary, learn and so on.

The services have a node and a thread of their own: loading a policy may take minutes when a
provider compiles it, and meanwhile the edge node's states, commands and diagnostics go on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from edge_runtime.audit.watch import ASKED, DONE, REFUSED
from edge_runtime.errors import UserError
from edge_runtime.safety.rules import Reaction
from sim2edge_ros.edge.drive import Drive
from sim2edge_ros.settings.distro import steady_clock

_LOOK = 1.0  # s


class PolicyServices:
    """Offers the services under the edge node's name.

    Args:
        node: the node that serves them, spun by a thread of its own.
        owner: the edge node, for its name, its log and the parameter `candidate`.
        drive: returns the configured drive, or None.
    """

    def __init__(self, node: Node, owner: Node, drive: Callable[[], Drive | None]) -> None:
        self._owner, self._drive = owner, drive
        for name, act in (
            ("load", self._load),
            ("shadow", self._shadow),
            ("canary", self._canary),
            ("promote", self._promote),
            ("roll_back", self._roll_back),
            ("reset", self._reset),
            ("learn/start", self._start_learning),
            ("learn/stop", self._stop_learning),
        ):
            topic = f"{owner.get_fully_qualified_name()}/{name}"
            node.create_service(Trigger, topic, self._service(name, act))
        node.create_timer(_LOOK, self._look, clock=steady_clock())

    def _service(self, name: str, act: Callable[[Drive], str]) -> Callable[[Any, Any], Any]:
        """Returns a callback that answers with what was done, or why it was not."""

        def serve(request: Any, response: Any) -> Any:
            drive = self._drive()
            try:
                if drive is None:
                    raise UserError("the node is not configured")
                # On the disk before anything changes, whatever becomes of this process meanwhile.
                drive.record(ASKED, service=name, candidate=self._candidate_name())
                response.message, response.success = act(drive), True
                self._owner.get_logger().info(response.message)
                drive.record(DONE, service=name, answer=response.message)
            except UserError as error:
                response.message, response.success = str(error), False
                self._owner.get_logger().error(str(error))
                if drive is not None:
                    drive.record(REFUSED, service=name, answer=response.message)
            return response

        return serve

    def _look(self) -> None:
        """Judges what is tried; this thread may wait for a disk."""
        drive = self._drive()
        if drive is not None:
            drive.policies.look()

    def _load(self, drive: Drive) -> str:
        drive.policies.load(self._candidate())
        return f"{drive.policy.source} drives"

    def _shadow(self, drive: Drive) -> str:
        file = self._candidate()
        drive.policies.try_out(file)
        return f"{file} is in shadow"

    def _canary(self, drive: Drive) -> str:
        named = str(self._owner.get_parameter("candidate").value)
        canary = drive.policies.canary(Path(named).expanduser() if named else None)
        return f"{canary.new.source} takes turns with {canary.old.source}"

    def _promote(self, drive: Drive) -> str:
        drive.policies.promote()
        return f"{drive.policy.source} drives"

    def _roll_back(self, drive: Drive) -> str:
        drive.policies.roll_back()
        return f"{drive.policy.source} drives"

    def _reset(self, drive: Drive) -> str:
        if not drive.active:
            raise UserError("the node is not active, so there is nothing to reset")
        if drive.loop.guard.latched is Reaction.NONE:
            # The estimator would start anew too, which it cannot while the robot moves.
            raise UserError("no reaction is latched, so there is nothing to reset")
        drive.loop.reset()
        return "starts anew from the next good sample"

    def _start_learning(self, drive: Drive) -> str:
        if not drive.active:
            raise UserError("the node is not active, so there is nothing to learn from")
        return drive.learning.start(drive.session)

    def _stop_learning(self, drive: Drive) -> str:
        return drive.learning.stop()

    def _candidate(self) -> Path:
        file = self._candidate_name()
        if not file:
            raise UserError("parameter 'candidate' is empty; set it to a policy file (.onnx)")
        return Path(file).expanduser()

    def _candidate_name(self) -> str:
        return str(self._owner.get_parameter("candidate").value)
