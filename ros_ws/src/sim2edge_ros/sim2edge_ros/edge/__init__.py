"""Drives a robot behind ROS topics with a policy: the lifecycle node edge_node."""
