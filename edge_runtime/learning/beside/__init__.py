"""Keeps a learner running beside the control loop, and tries what it proposes."""
