"""Reads bags of ROS 1 and ROS 2, without ROS."""
