"""Computes on the robot a reward from what it senses."""
