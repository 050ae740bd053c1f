"""Runs a node in its process: signals, transport, and executors in threads of their own."""
