"""Starts, watches and ends the nodes' processes."""
