"""Replays a recorded log through an estimator and compares it with a reference."""
