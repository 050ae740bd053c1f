"""Builds rough ground for every engine: boxes of one model that all simulations share."""
