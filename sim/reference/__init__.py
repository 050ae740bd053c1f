"""Runs Gymnasium's own Humanoid-v5 on the batch engine, as a reference."""
