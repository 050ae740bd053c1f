"""Runs robots on legs along a tour: crane, pushes, load, arms that are off, rough ground."""
