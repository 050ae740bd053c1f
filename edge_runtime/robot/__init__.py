"""Defines what a robot reads and takes, and the door to it through shared memory."""
