"""Robot models (MJCF) and trained policies, as package data."""
