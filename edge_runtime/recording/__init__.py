"""Writes the run log: what each tick read, estimated, wanted and sent."""
