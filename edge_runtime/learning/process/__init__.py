"""Learns in a process of its own, and keeps what it needs to go on after a crash."""
