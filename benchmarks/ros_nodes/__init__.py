"""Measures the ROS graph: latency, load, robots through DDS, and parts that fail."""
