"""Trains a policy on the batch simulator, and resumes as if it had never stopped."""
