"""Runs the control loop: one tick each period, inside a latency budget."""
