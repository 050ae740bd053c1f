"""Judges a policy by seeded episodes, and compares the figures with a gate."""
