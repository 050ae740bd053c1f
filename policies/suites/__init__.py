"""Suites of trials under stress that a policy passes before a robot carries it."""
