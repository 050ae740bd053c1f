"""Serves a simulated robot to the control loop, in a process of its own."""
