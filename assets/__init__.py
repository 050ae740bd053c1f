"""Holds robot models (MJCF) and trained policies, as package data."""
