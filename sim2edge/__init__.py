"""Runs the commands of `sim2edge`."""
