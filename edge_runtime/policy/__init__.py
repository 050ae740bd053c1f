"""Reads a policy file, checks its contract, and computes actions with it."""
