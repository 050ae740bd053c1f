"""Starts, supervises and ends the nodes' processes."""
