"""Simulates the sensors of a robot, with their noise, and the errors of its estimator."""
