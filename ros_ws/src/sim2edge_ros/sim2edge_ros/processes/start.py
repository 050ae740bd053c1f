"""Starts the nodes' commands so that Ctrl-C ends them quietly from the first moment on.

Importing a node takes a second, in which Python would print where it was interrupted.
"""

import importlib
import os
import signal


def edge_node() -> int:
    """Runs the edge node, as `ros2 run sim2edge_ros edge_node`."""
    return _run("sim2edge_ros.edge.edge_node")


def sim_node() -> int:
    """Runs the simulated robot's node, as `ros2 run sim2edge_ros sim_node`."""
    return _run("sim2edge_ros.simulator.sim_node")


def recorder() -> int:
    """Runs the recorder, as `ros2 run sim2edge_ros recorder`."""
    return _run("sim2edge_ros.recorder.recorder_node")


def _run(module: str) -> int:
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))  # until the node sets its own handler
    return int(importlib.import_module(module).main())
