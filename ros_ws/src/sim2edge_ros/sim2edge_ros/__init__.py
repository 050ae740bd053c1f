"""ROS 2 around the edge runtime: nodes, parameters and launch files; all behaviour stays there."""
