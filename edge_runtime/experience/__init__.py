"""Keeps what a robot learns from: bounded, encrypted, and whole after a power cut."""
