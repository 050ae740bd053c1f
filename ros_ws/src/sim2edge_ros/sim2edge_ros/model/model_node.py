"""Publishes a real robot's model and frames, where ROS's robot_state_publisher is not installed.

python -m sim2edge_ros.model.model_node --ros-args -p robot:=humanoid
`sim2edge up humanoid --real --model` starts it beside the others.
"""

import sys
from collections.abc import Callable
from functools import partial

from rclpy.context import Context
from rclpy.node import Node

from edge_runtime.errors import UserError
from sim2edge_ros.model.model_publisher import ModelPublisher
from sim2edge_ros.node_process import end_event, run_node, spin_until
from sim2edge_ros.settings.declaring import declare
from sim2edge_ros.settings.frames import frames
from sim2edge_ros.settings.parameters import ModelParameters
from sim2edge_ros.settings.robot_file import model

NAME = "model_node"


def main(arguments: list[str] | None = None) -> int:
    """Publishes until the process is asked to end."""
    ending = end_event()

    def make(context: Context, name: str) -> Callable[[], None]:
        node = Node(name, context=context)
        parameters = declare(node, ModelParameters)
        path = model(parameters.robot)
        if not path.is_file():
            raise UserError(f"robot '{parameters.robot}' has no URDF; it belongs at {path}")
        prefix = frames(node.get_namespace(), parameters).prefix
        ModelPublisher(node, path.read_text(encoding="utf-8"), prefix)
        return partial(spin_until, ending.is_set, node)

    return run_node(NAME, arguments, make)


if __name__ == "__main__":
    sys.exit(main())
