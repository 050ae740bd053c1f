"""Learns on the robot, beside its control loop: trims, identification, adapters."""
