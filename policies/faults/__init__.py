"""Injects faults into the runtime and checks the declared reactions."""
