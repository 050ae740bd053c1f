"""Lets simulated robots learn as real ones do, and compares them before and after."""
