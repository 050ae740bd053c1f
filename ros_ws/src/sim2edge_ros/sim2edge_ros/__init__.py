"""Brings the edge runtime to ROS 2: nodes, parameters and launch files; all behaviour stays
there."""
