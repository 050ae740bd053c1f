"""Drives a robot as its operator asks, from a terminal."""
