"""Tampers with what a robot has recorded, and counts what is found."""
