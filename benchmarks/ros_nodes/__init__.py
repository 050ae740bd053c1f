"""Measures the ROS graph: latency, load, robots through DDS, parts that fail."""
