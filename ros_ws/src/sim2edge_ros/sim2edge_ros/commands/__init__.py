"""Sends commands to the actuators and receives those of the operator."""
