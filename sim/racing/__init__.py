"""Tracks, where a vehicle is on one, what it looks like, and a driver who knows it all."""
