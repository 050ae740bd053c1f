"""Brings a quadruped, its task and an observation term to sim2edge."""
