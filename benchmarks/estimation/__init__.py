"""Measures the estimators on simulated robots, and peers of theirs on recordings."""
