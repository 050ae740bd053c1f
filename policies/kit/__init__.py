"""Prepares in simulation what a robot needs to learn on the job."""
