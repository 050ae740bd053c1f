"""Runs what learns beside the control loop: in a process of its own, fed through shared memory."""
