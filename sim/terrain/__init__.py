"""Rough ground that every engine can have: boxes of one model that all simulations share."""
