"""Declares the nodes' parameters and reads parameter and robot files."""
