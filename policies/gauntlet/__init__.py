"""Runs a policy through trials under stress: pushes, load, slopes, wind, lost sensors."""
