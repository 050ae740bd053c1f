"""Measures the edge runtime as ROS nodes over real DDS: its cost, and its behaviour
under faults."""

import importlib.util
import sys

from figures import parse_arguments, report
from ros_nodes.processes import use_own_domain

from edge_runtime.extras import install_line


def main() -> int:
    """Prints the figures; returns 0 if all targets are reached."""
    arguments = parse_arguments(__doc__)
    if importlib.util.find_spec("rclpy") is None:
        print(f"ROS 2 is not installed; {install_line('ros', 'sim', 'fusion')}", file=sys.stderr)
        return 2
    use_own_domain()
    from ros_nodes.faults import when_parts_fail  # noqa: PLC0415
    from ros_nodes.late_subscribers import come_and_go  # noqa: PLC0415
    from ros_nodes.latency import at_100_hz  # noqa: PLC0415  these need rclpy
    from ros_nodes.recorder import killed  # noqa: PLC0415
    from ros_nodes.reload import under_motion  # noqa: PLC0415
    from ros_nodes.robots import TASKS, through_the_graph  # noqa: PLC0415

    quick = arguments.quick
    figures = at_100_hz(*((2, 6.0) if quick else (5, 10.0)))
    for robot in TASKS:
        figures += through_the_graph(robot, 30.0 if quick else 300.0)
    figures += [under_motion(0.5 if quick else 1.5), come_and_go()]
    figures += [*killed(), *when_parts_fail(quick)]
    return report(figures, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
