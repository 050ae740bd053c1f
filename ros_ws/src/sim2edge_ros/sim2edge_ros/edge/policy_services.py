"""The services that change the policy of a robot at work: load, shadow, promote, roll back, reset.

They have a node and a thread of their own: reading a policy may take minutes where a provider
compiles it, and meanwhile the edge node's states, the operator and the diagnostics go on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from edge_runtime.errors import UserError
from edge_runtime.safety.guard import Reaction
from sim2edge_ros.edge.drive import Drive


class PolicyServices:
    """Serves them under the edge node's name.

    Args:
        node: that serves, spun by a thread of its own.
        owner: the edge node, for its name, its log and the parameter `candidate`.
        drive: the one that is configured, None without.
    """

    def __init__(self, node: Node, owner: Node, drive: Callable[[], Drive | None]) -> None:
        self._owner, self._drive = owner, drive
        for name, act in (
            ("load", self._load),
            ("shadow", self._shadow),
            ("promote", self._promote),
            ("roll_back", self._roll_back),
            ("reset", self._reset),
        ):
            topic = f"{owner.get_fully_qualified_name()}/{name}"
            node.create_service(Trigger, topic, self._service(act))

    def _service(self, act: Callable[[Drive], str]) -> Callable[[Any, Any], Any]:
        """A callback that answers with what was done, or why it was not."""

        def serve(request: Any, response: Any) -> Any:
            try:
                drive = self._drive()
                if drive is None:
                    raise UserError("the node is not configured")
                response.message, response.success = act(drive), True
                self._owner.get_logger().info(response.message)
            except UserError as error:
                response.message, response.success = str(error), False
                self._owner.get_logger().error(str(error))
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
        if drive.loop.guard.latched is Reaction.NONE:
            # The estimator would start anew too, and that it cannot while the robot moves.
            raise UserError("no reaction is latched, so there is nothing to reset")
        drive.loop.reset()
        return "starts anew from the next good sample"

    def _candidate(self) -> Path:
        file = str(self._owner.get_parameter("candidate").value)
        if not file:
            raise UserError("parameter 'candidate' is empty; set it to a policy file (.onnx)")
        return Path(file).expanduser()
