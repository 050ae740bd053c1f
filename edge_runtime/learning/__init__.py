"""Learns on the robot, in a process of its own: needs the extra `learn`."""
