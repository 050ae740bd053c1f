"""Measures the estimators on simulated robots, and their peers on recordings."""
