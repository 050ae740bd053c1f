"""Publishes a real robot's model and frames, where ROS's robot_state_publisher is not installed.

python -m sim2edge_ros.model.model_node --ros-args -p robot:=humanoid
"""

import sys

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from edge_runtime.errors import UserError
from sim2edge_ros.model.model_publisher import ModelPublisher
from sim2edge_ros.node_process import end_event, initialize, refuse, split_name
from sim2edge_ros.settings.declaring import declare
from sim2edge_ros.settings.frames import frames
from sim2edge_ros.settings.parameters import RobotParameters
from sim2edge_ros.settings.robot_file import model

NAME = "model_node"


def main(arguments: list[str] | None = None) -> int:
    """Publishes until the process is asked to end."""
    ending = end_event()
    context = Context()
    given = sys.argv if arguments is None else arguments
    try:
        initialize(context, given, NAME, split_name(given, NAME)[0])
        node = Node(NAME, context=context)
        parameters = declare(node, RobotParameters)
        path = model(parameters.robot)
        if not path.is_file():
            raise UserError(f"robot '{parameters.robot}' has no URDF; it belongs at {path}")
        prefix = frames(node.get_namespace(), parameters).prefix
        ModelPublisher(node, path.read_text(), prefix)
    except UserError as error:
        return refuse(context, NAME, error)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    while not ending.is_set():
        executor.spin_once(timeout_sec=0.2)
    rclpy.shutdown(context=context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
