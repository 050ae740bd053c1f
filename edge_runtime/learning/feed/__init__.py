"""Hands the control loop's ticks to a learner in another process, exploration included."""
