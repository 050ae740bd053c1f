"""Holds the learners: PPO, SAC and TQC, each with what is its own."""
