"""Keeps the audit log: what drove the robot, and proof that nothing of it was altered."""
