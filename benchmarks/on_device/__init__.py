"""Lets worn robots learn on the job, and measures what they win back."""
