"""A quadruped, its task and an observation term, for sim2edge."""
